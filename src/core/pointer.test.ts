import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Json } from './json/json.ts'
import { scalarAt } from './pointer.ts'

const WRITTEN = Json.written(
  '{"a/b": {"~": ["x", 1.50, true]}, "text": "t", "big": 12345678901234567890, "none": null}',
)

test.each([
  ['/a~1b/~0/0', 'x'],
  ['/a~1b/~0/1', '1.50'],
  ['/a~1b/~0/2', 'true'],
  ['/text', 't'],
  ['/big', '12345678901234567890'],
  ['/none', undefined],
  ['/a~1b', undefined],
  ['/a~1b/~0/3', undefined],
  ['/a~1b/~0/-', undefined],
  ['/missing', undefined],
  ['/toString', undefined],
  // A text has no members.
  ['/text/length', undefined],
])('the pointer %s leads to %j', (pointer, found) => {
  expect(scalarAt(WRITTEN, pointer)).toBe(found)
})

test('a pointer finds the text under any name', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), (names) => {
      const value = names.reduceRight<unknown>((inner, name) => Object.fromEntries([[name, inner]]), 'found')
      const pointer = names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
      expect(scalarAt(Json.of(value), pointer)).toBe('found')
    }),
  )
})
