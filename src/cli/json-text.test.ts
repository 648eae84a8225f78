import fc from 'fast-check'
import { expect, test } from 'vitest'
import { indentJson, itemTexts, memberText, withMember } from './json-text.ts'

const spaced = fc
  .tuple(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'))
  .map(([value, space]) => JSON.stringify(value, null, space))

test('indented JSON is what JSON.stringify would make of it', () => {
  fc.assert(
    fc.property(spaced, (text) => {
      expect(indentJson(text)).toBe(JSON.stringify(JSON.parse(text), null, 2))
    }),
  )
})

test('numbers keep all their digits when JSON is indented', () => {
  expect(indentJson('{"a":12345678901234567890.10,"e":1E400}')).toBe(
    '{\n  "a": 12345678901234567890.10,\n  "e": 1E400\n}',
  )
})

test('the items of a list are the texts between its commas', () => {
  fc.assert(
    fc.property(fc.array(spaced), (items) => {
      expect(itemTexts(`[${items.join(' , ')}]`)).toEqual(items.map((item) => item.trim()))
    }),
  )
})

test('a member of an object is found by its name, however it is escaped or nested', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      const text = JSON.stringify(object, null, 1)
      for (const [key, value] of Object.entries(object))
        expect(JSON.parse(memberText(text, key)!)).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
  expect(memberText('{"a":{"data":1},"b":"data"}', 'data')).toBeUndefined()
})

test('a member is added to an object without touching the others', () => {
  expect(withMember('{}', 'payload', '[1.0]')).toBe('{"payload":[1.0]}')
  expect(withMember('{"a":1}', 'payload', 'null')).toBe('{"a":1,"payload":null}')
})
