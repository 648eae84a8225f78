import { expect, test } from 'vitest'
import { countFile, countLines } from './line-counts.ts'

test('code, comments and blank lines are counted separately', () => {
  const text = ['// head', '', 'const a = 1 // why', '/* one', ' * two', ' */', '/* whole */', '  ', 'b()', ''].join(
    '\n',
  )
  expect(countFile({ path: 'a.ts', text })).toEqual({ files: 1, lines: 9, code: 2, comment: 5, blank: 2 })
})

test.each([
  ['a.sql', '-- head\nselect 1 -- why\n', 1],
  ['a.py', '# head\nx = 1\n', 1],
  ['a.html', '<!-- a\nb -->\n<p>\n', 2],
  ['a.md', '# Title\n', 0],
])('%s: comments are those of its language', (path, text, comment) => {
  expect(countFile({ path, text }).comment).toBe(comment)
})

test.each([
  ['', 0],
  ['\n', 1],
  ['a', 1],
  ['a\n', 1],
  ['a\r\nb\rc\n', 3],
])('%j has as many lines as an editor shows', (text, lines) => {
  expect(countFile({ path: 'a', text }).lines).toBe(lines)
})

test('files are summed in total, by type and by room, largest first', () => {
  const { total, byExtension, byRoom } = countLines([
    { path: 'main.ts', text: 'a\n' },
    { path: 'core/run.ts', text: 'a\nb\n' },
    { path: 'core/deep/x.sql', text: 'a\n' },
    { path: 'LICENSE', text: 'a\n' },
  ])
  expect(total).toMatchObject({ files: 4, lines: 5 })
  expect(byExtension.map(({ name, files, lines }) => [name, files, lines])).toEqual([
    ['.ts', 2, 3],
    ['(none)', 1, 1],
    ['.sql', 1, 1],
  ])
  expect(byRoom.map(({ name, lines }) => [name, lines])).toEqual([
    ['core', 3],
    ['.', 2],
  ])
})
