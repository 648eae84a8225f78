import { describe, expect, test } from 'vitest'
import { ExactNumber, jsonText, parseJson } from './json.ts'

describe('JSON as it was written', () => {
  test('a number beyond 2^53 is shown and written again with all of its digits', () => {
    const text = '{"id": 9007199254740993, "list": [123456789012345678901234567890, 1]}'
    const value = parseJson(text) as { id: unknown; list: unknown[] }
    expect(String(value.id)).toBe('9007199254740993')
    expect(value.list[1]).toBe(1)
    expect(jsonText(value, 0)).toBe('{"id":9007199254740993,"list":[123456789012345678901234567890,1]}')
  })

  test('numbers that JavaScript holds exactly stay numbers', () => {
    expect(parseJson('[1.50, 1e3, 0.1, -2, 9007199254740991, "12345678901234567890"]')).toEqual([
      1.5,
      1000,
      0.1,
      -2,
      9007199254740991,
      '12345678901234567890',
    ])
  })

  test('a number that is too large or too fine for a double is kept as it came', () => {
    for (const digits of ['1e400', '0.12345678901234567890'])
      expect(parseJson(`[${digits}]`)).toEqual([new ExactNumber(digits)])
  })

  test('text that looks like the mark of an exact number stays text', () => {
    const value = parseJson('{"a": 9007199254740993, "b": "exact-0"}')
    expect(jsonText(value, 0)).toBe('{"a":9007199254740993,"b":"exact-0"}')
  })
})
