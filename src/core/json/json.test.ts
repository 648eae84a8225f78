import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from './canonical.ts'
import { Json, printJson } from './json.ts'
import { canonicalNumber, compactJson, hasHugeNumber, prettyJson } from './json-text.ts'

const spaced = (text: string) => ` ${JSON.stringify(JSON.parse(text), null, '\t ')}\r\n`

describe('JSON as it was written', () => {
  test('is the same text again, in whatever it is printed', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (one, other) => {
        const json = Json.written(one)
        expect(json.text).toBe(compactJson(one))
        expect(printJson({ list: [json, 'x', other], json })).toBe(
          `{"list":[${json.text},"x",${JSON.stringify(other)}],"json":${json.text}}`,
        )
      }),
    )
  })

  test('is one line, and says what it said', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const compact = compactJson(spaced(text))
        expect(compact).toBe(JSON.stringify(JSON.parse(text)))
        expect(prettyJson(compact)).toBe(JSON.stringify(JSON.parse(text), null, 2))
      }),
    )
  })

  test('has the members and items that JSON.parse finds, each as it was written', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value = JSON.parse(spaced(text))
        const json = Json.written(spaced(text))
        const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
        expect(printJson(json.members())).toBe(JSON.stringify(isObject ? value : {}))
        expect(printJson(json.items())).toBe(JSON.stringify(Array.isArray(value) ? value : []))
      }),
    )
  })

  test('can be given members and lose them, and keeps the others as they were written', () => {
    const json = Json.written('{"2":1.50,"1":{"a": 1e400}}')
    expect(json.with('b', [json]).text).toBe('{"2":1.50,"1":{"a":1e400},"b":[{"2":1.50,"1":{"a":1e400}}]}')
    expect(json.with('2', null).text).toBe('{"1":{"a":1e400},"2":null}')
    expect(json.without('1').without('2').with('"', 1).text).toBe('{"\\"":1}')
  })

  test('keeps what JavaScript would change: digits, the order of keys, names that occur twice', () => {
    const text = '{"2":1.50,"1":12345678901234567890.10,"a":1e400,"a":-0.0}'
    expect(printJson([Json.written(text)])).toBe(`[${text}]`)
  })

  test('is equal in tests to what says the same, and to nothing else', () => {
    expect(Json.of({ a: 1 })).toEqual({ a: 1 })
    expect([{ json: Json.of([1]) }]).toMatchObject([{ json: [1] }])
    expect(Json.written('1.0')).not.toEqual(Json.written('1'))
    expect(Json.of({ a: 1 })).not.toEqual({ a: 2 })
  })

  test('is its parsed value to those who do not know it', () => {
    expect(JSON.stringify({ json: Json.written('{"a" : 1.0}') })).toBe('{"json":{"a":1}}')
  })
})

describe('canonical JSON', () => {
  test('of a text is that of its value where doubles hold its numbers', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(canonicalJson(Json.written(text))).toBe(canonicalJson(JSON.parse(text)))
      }),
    )
  })

  test('of equal numbers is equal, and of different ones different, however many digits they have', () => {
    const digits = fc.tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat({ max: 30 }))
    fc.assert(
      fc.property(digits, digits, ([one, zeros], [other]) => {
        const written = canonicalNumber(`${one}${'0'.repeat(zeros)}`)
        expect(canonicalNumber(`${one}.000e${zeros}`)).toBe(written)
        expect(canonicalNumber(String(one)) === canonicalNumber(String(other))).toBe(one === other)
      }),
    )
  })

  test.each([
    ['1.0', '1'],
    ['-0.0', '0'],
    ['1e2', '100'],
    ['0.1', '0.1'],
    ['9007199254740993', '9007199254740993e0'],
    ['1e400', '1e400'],
    ['100e398', '1e400'],
    ['12345678901234567890.10', '123456789012345678901e-1'],
  ])('writes %s as %s', (number, written) => {
    expect(canonicalNumber(number)).toBe(written)
  })
})

test('a number is huge when PostgreSQL has too few digits for it', () => {
  for (const number of ['1e131072', '-10e131071', '1e-16384', `0.${'0'.repeat(16_384)}`])
    expect(hasHugeNumber(`{"a":[${number}]}`), number.slice(0, 20)).toBe(true)
  for (const number of ['1e131071', '1e-16383', '0', '-1.5e3', '"1e131072"'])
    expect(hasHugeNumber(`{"a":[${number}]}`), number).toBe(false)
})
