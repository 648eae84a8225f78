import { expect, test } from 'vitest'
import { findTodos } from './todos.ts'

const mark = 'TODO'

test('markers in comments are found, with their position and whether an issue is named', () => {
  const text = [`// ${mark}: one (#12)`, 'const a = 1', `  * FIXME two`, `-- ${mark} three`, `<!-- XXX -->`].join('\n')
  const { found, total, withoutIssue } = findTodos([{ path: 'a', text }])
  expect(found.map((it) => [it.line, it.mark, it.hasIssue])).toEqual([
    [1, mark, true],
    [3, 'FIXME', false],
    [4, mark, false],
    [5, 'XXX', false],
  ])
  expect([total, withoutIssue]).toEqual([4, 3])
})

test('names and texts that merely look like markers are not counted', () => {
  const text = [`const ${mark} = 1`, `const list = '${mark}'`, `// ${mark}S are fine`, '// todo in lower case'].join(
    '\n',
  )
  expect(findTodos([{ path: 'a', text }]).total).toBe(0)
})

test('a thousand markers are counted, and some are shown', () => {
  const { found, total } = findTodos([{ path: 'a', text: `// ${mark}\n`.repeat(1000) }])
  expect(total).toBe(1000)
  expect(found.length).toBeLessThan(100)
})
