import { expect, test } from 'vitest'
import { findDuplicates } from './duplicates.ts'

const lines = (name: string, count: number): string =>
  Array.from({ length: count }, (_, index) => `  ${name}(${index})`).join('\n')

test('a block that is in two files is found whole, once, with both places', () => {
  const { found, total } = findDuplicates([
    { path: 'a.ts', text: `begin()\n${lines('call', 20)}\nend()` },
    { path: 'b.ts', text: `other()\n\n// Alike.\n${lines('call', 20).replaceAll('  ', '\t')}\nelse()` },
  ])
  expect(total).toBe(1)
  expect(found[0]).toMatchObject({
    lines: 20,
    first: { path: 'a.ts', from: 2, to: 21 },
    second: { path: 'b.ts', from: 4, to: 23 },
  })
})

test('short blocks, and lines that are alike everywhere, are not duplicates', () => {
  const names = Array.from({ length: 20 }, (_, index) => `  name${index},`).join('\n')
  const imports = `import {\n${names}\n} from 'x'\nexport * from 'y'`
  const short = lines('call', 7)
  const files = ['a.ts', 'b.ts'].map((path) => ({
    path,
    text: `${imports}\n\n//\n${'}\n'.repeat(20)}${short}\n${path}`,
  }))
  expect(findDuplicates(files).found).toEqual([])
})

test('the same few lines repeated are a pattern, not a copy', () => {
  const files = [
    { path: 'a.ts', text: 'x()\n'.repeat(300) },
    { path: 'b.ts', text: 'x()\ny()\nz()\n'.repeat(100) },
    { path: 'c.ts', text: 'x()\ny()\nz()\n'.repeat(100) },
  ]
  expect(findDuplicates(files).found).toEqual([])
})

test('a block that is repeated within one file is found', () => {
  const text = `${lines('call', 10)}\nbetween()\n${lines('call', 10)}`
  expect(findDuplicates([{ path: 'a.ts', text }]).found).toMatchObject([{ first: { from: 1 }, second: { from: 12 } }])
})

test('only scripts are compared', () => {
  const files = ['a.md', 'b.md'].map((path) => ({ path, text: lines('word', 20) }))
  expect(findDuplicates(files).total).toBe(0)
})
