import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { lines, oneLine, safeJson } from './safe-text.ts'
import { type Column, cutTo, tableLines } from './table.ts'

type Row = { id: string; name: string; note: string }
const columns: readonly Column<Row>[] = [
  { title: 'ID', of: (row) => row.id, whole: true },
  { title: 'NAME', of: (row) => row.name },
  { title: 'NOTE', of: (row) => row.note, extra: 1 },
]
const rows = fc.array(
  fc.record({ id: fc.uuid(), name: fc.string({ unit: 'grapheme' }), note: fc.string({ unit: 'binary' }) }),
  { minLength: 1, maxLength: 5 },
)
const plainStyle = (_: string, text: string) => text

test('no line of a table is wider than the terminal, and ids are never cut', () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 60, max: 200 }), (table, width) => {
      const shown = [...tableLines(table, columns, { plain: false, width, style: plainStyle })]
      expect(shown).toHaveLength(table.length + 1)
      for (const line of shown) expect(stringWidth(line)).toBeLessThanOrEqual(width)
      for (const [at, { id }] of table.entries()) expect(shown[at + 1]).toContain(id)
    }),
  )
})

test('a plain table has every value in full, between tabs', () => {
  const note = 'x'.repeat(500)
  expect([
    ...tableLines([{ id: '1', name: 'a\tb', note }], columns, { plain: true, width: 40, style: plainStyle }),
  ]).toEqual([`1\ta\\tb\t${note}`])
})

test('wide characters count as two columns when text is cut', () => {
  expect(cutTo('日本語テキスト', 7)).toBe('日本語…')
  expect(cutTo('short', 7)).toBe('short')
})

test('no control character or direction mark of a server reaches the terminal', () => {
  const unsafe = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(oneLine(text)).not.toMatch(unsafe)
      expect(lines(text).replace(/[\n\t]/g, '')).not.toMatch(unsafe)
      const json = safeJson(JSON.stringify({ text }))
      expect(json).not.toMatch(unsafe)
      expect(JSON.parse(json)).toEqual({ text })
    }),
  )
  expect(oneLine('\u001b]0;title\u0007')).toBe('\\u001b]0;title\\u0007')
  expect(stripVTControlCharacters(oneLine('\u009b31mred'))).toBe('\\u009b31mred')
})
