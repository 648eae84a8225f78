import { expect, test } from 'vitest'
import { checkTests } from './test-presence.ts'

test('a script has its own test, or one that imports it, or none', () => {
  const paths = [
    'a/own.ts',
    'a/own.test.ts',
    'a/used.ts',
    'a/lonely.ts',
    'b/far.ts',
    'b/test/far.ts',
    'b/x.fixture.ts',
    'b/x.ts',
  ]
  const files = [...paths, 'b/readme.md'].map((path) => ({ path, text: '' }))
  const { total, byRoom, tests, untested } = checkTests(files, [
    { from: 'a/own.test.ts', to: 'a/used.ts', typeOnly: false },
  ])
  expect(total).toEqual({ scripts: 5, own: 2, imported: 1, none: 2 })
  expect(byRoom).toEqual([
    { room: 'a', scripts: 3, own: 1, imported: 1, none: 1 },
    { room: 'b', scripts: 2, own: 1, imported: 0, none: 1 },
  ])
  expect(tests).toBe(3)
  expect(untested).toEqual(['a/lonely.ts', 'b/x.ts'])
})
