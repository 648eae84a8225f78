import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Refusal } from '#core/error.ts'
import { DEPTH_MAX } from '#core/storable.ts'
import { findFlaws, parseJson } from './json.ts'
import { placeOfError } from './json-place.ts'

const parse = (text: string) => parseJson(Buffer.from(text))

/** What the reader says: the value, or the code and the first field of the refusal. */
function read(text: string): { value: unknown } | { field: string; message: string } {
  const { value, suspect } = parse(text)
  const [flaw] = suspect ? findFlaws(value) : []
  return flaw ?? { value }
}

const refusalOf = (source: string | Buffer): Refusal => {
  try {
    parseJson(Buffer.from(source as string))
  } catch (error) {
    if (error instanceof Refusal) return error
  }
  throw new Error('it was not refused')
}

describe('malformed JSON', () => {
  test.each([
    ['{"a": bc}', 'Unexpected token', 1, 7],
    ['{"a": 1,}', 'Expected double-quoted property name', 1, 9],
    ['{\n  "a": 1\n  "b": 2\n}', "Expected ',' or '}' after property value", 3, 3],
    ['[1, 2', "Expected ',' or ']' after array element", 1, 6],
    ['{"a": "x\ny"}', 'Bad control character in string literal', 1, 9],
    ['[1,\n 2,\n ]', 'Unexpected token', 3, 2],
    ['{"a": tru', 'Unexpected end at line 1', 1, 7],
    ['1 2', 'Unexpected non-whitespace character after', 1, 3],
  ])('malformed JSON is reported with its position: %j', (text, words, line, column) => {
    const refusal = refusalOf(text)
    expect(refusal.code).toBe('malformed')
    expect(refusal.message).toContain(words)
    expect(refusal.details).toMatchObject({ line, column })
  })

  test('the error message does not repeat what was sent', () => {
    expect(refusalOf('{"password": "hunter2", x}').message).not.toContain('hunter2')
    expect(refusalOf('{"password": "hunter2", "b": nope}').message).not.toContain('hunter2')
  })

  test('bytes that are not UTF-8 are refused, including half a character at the end', () => {
    expect(refusalOf(Buffer.from([0x22, 0xff, 0x22])).code).toBe('malformed')
    expect(refusalOf(Buffer.from('"é"').subarray(0, 2)).code).toBe('malformed')
    // A lone surrogate in bytes is no UTF-8 either.
    expect(refusalOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])).code).toBe('malformed')
  })

  test('the reported position agrees with JSON.parse wherever that gives one', () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '}', ']', ',', ':', '"', '1', 'x', '{', ' '))
      .map(([text, at, put]) => text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + 1))
    fc.assert(
      fc.property(broken, (text) => {
        try {
          JSON.parse(text)
        } catch (error) {
          const named = /^(?:Expected|Unexpected non-whitespace).* at position (\d+)/.exec((error as Error).message)
          if (named) expect(placeOfError(text)).toBe(Number(named[1]))
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('values that cannot be stored', () => {
  test.each([
    ['{"a": {"b": ["x", "\\u0000"]}}', 'a.b[1]', 'NUL'],
    ['{"a": "\\ud800"}', 'a', 'lone surrogate'],
    ['{"a": "\\udc00\\ud800"}', 'a', 'lone surrogate'],
    ['{"a": {"x\\u0000y": 1}}', 'a["x\\u0000y"]', 'a name that contains a NUL'],
    ['"\\u0000"', 'body', 'NUL'],
    ['{"__proto__": {"x": 1}}', '__proto__', 'not taken'],
    ['{"a": [{"\\u005f_proto__": 1}]}', 'a[0].__proto__', 'not taken'],
    ['{"constructor": {"prototype": {"x": 1}}}', 'constructor', 'not taken'],
    ['{"c\\u006fnstructor": {"prototype": {}}}', 'constructor', 'not taken'],
    ['{"a": [1e999]}', 'a[0]', 'too large'],
    [`{"a": ${'9'.repeat(400)}}`, 'a', 'too large'],
    ['-1e400', 'body', 'too large'],
  ])('%s is refused by field', (text, field, words) => {
    expect(read(text)).toEqual({ field, message: expect.stringContaining(words) })
  })

  test.each([
    '{"a": "\\u00e9\\ud83d\\ude00"}',
    '{"a": "\\\\u0000"}',
    '{"constructor": "Ferrari"}',
    '{"constructor": {"name": "x"}}',
    '{"prototype": {"a": 1}}',
    '{"a": 1e30, "b": 1.5E-7, "c": true, "d": false}',
    '{"a": "__proto__"}',
    '{"a": "1e999"}',
    `{"a": "${'['.repeat(500)}"}`,
    `["\\"${'{'.repeat(500)}"]`,
  ])('%s is accepted', (text) => {
    expect(read(text)).toEqual({ value: JSON.parse(text) })
  })

  test('the nesting of a body is bounded', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    expect(read(nested(DEPTH_MAX))).toHaveProperty('value')
    expect(read(nested(DEPTH_MAX + 1))).toMatchObject({ message: `is nested more than ${DEPTH_MAX} deep` })
    expect(read(`{"a": ${nested(200_000)}}`)).toMatchObject({ message: `is nested more than ${DEPTH_MAX} deep` })
  })

  test('only the first flaws are reported, however many there are', () => {
    const { value } = parse(JSON.stringify(Array.from({ length: 100_000 }, () => '\0')))
    expect(findFlaws(value)).toHaveLength(20)
  })

  test('text without suspicious characters has no flaw', () => {
    const strings = fc.string({ unit: fc.constantFrom('a', '\0', '\ud800', '\udc00', '"', '\\', '[', '{', '1', 'e') })
    const values = fc.anything({
      key: fc.oneof(strings, fc.constantFrom('__proto__', 'constructor', 'prototype')),
      values: [strings, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)],
      withNullPrototype: false,
    })
    fc.assert(
      fc.property(values, (value) => {
        const text = JSON.stringify(value)
        const { value: read, suspect } = parse(text)
        if (!suspect) expect(findFlaws(read)).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })
})

test('a byte order mark is skipped', () => {
  expect(read('\ufeff{"a":1}')).toEqual({ value: { a: 1 } })
})
