import { describe, expect, test } from 'vitest'
import { problemsUnder, schemaProblem } from './json-schema.ts'

const timed = <T>(work: () => T): { ms: number; value: T } => {
  const startMs = performance.now()
  const value = work()
  return { value, ms: performance.now() - startMs }
}

describe('patterns', () => {
  test('take time in proportion to the text, whatever they are', () => {
    for (const pattern of ['^(a+)+$', '^(a|aa)+$', '^(a|a?)+$', '^([a-z]+)*$'])
      for (const schema of [{ pattern }, { patternProperties: { [pattern]: false } }]) {
        const text = `${'a'.repeat(28)}!`
        expect(schemaProblem(schema)).toBeUndefined()
        const { ms } = timed(() => problemsUnder(schema, 'pattern' in schema ? text : { [text]: 1 }, 'payload'))
        expect(ms, pattern).toBeLessThan(500)
      }
    expect(problemsUnder({ pattern: '^(a+)+$' }, `${'a'.repeat(28)}!`, 'payload')).toMatchObject([{ field: 'payload' }])
  })

  test('with many repetitions are not tried on a long text', () => {
    const text = 'abbab'.repeat(200_000)
    const { ms, value } = timed(() => problemsUnder({ pattern: '^[ab]*a[ab]{900}[c-d]$' }, text, 'payload'))
    expect(ms).toBeLessThan(5000)
    expect(value).toMatchObject([{ field: 'payload', message: 'is too long for the patterns of its schema' }])
    expect(problemsUnder({ pattern: '^[a-z]+$' }, text, 'payload')).toEqual([])
  })

  test('mean what they mean in JavaScript', () => {
    const cases: [string, string, boolean][] = [
      ['^\\d{4}-\\d\\d$', '2026-01', true],
      ['^\\d{4}-\\d\\d$', '2026-01\n', false],
      ['b', 'abc', true],
      ['^[\\w.+-]+@[\\w-]+\\.\\w+$', 'a.b@c.de', true],
      ['^\\p{L}+$', 'é', true],
      ['^\\u00e9\\/\\-$', 'é/-', true],
      ['^.$', '😀', true],
      ['^(?<year>\\d+)$', '12', true],
      ['\\bfoo\\b', 'a foo', true],
    ]
    for (const [pattern, text, matches] of cases) {
      expect(schemaProblem({ pattern }), pattern).toBeUndefined()
      expect(problemsUnder({ pattern }, text, 'payload').length === 0, pattern).toBe(matches)
    }
  })

  test('of one schema are told apart', () => {
    const schema = { allOf: [{ pattern: '^a' }, { pattern: 'b$' }] }
    expect(problemsUnder(schema, 'ab', 'payload')).toEqual([])
    expect(problemsUnder(schema, 'ac', 'payload')).toHaveLength(1)
    expect(problemsUnder(schema, 'cb', 'payload')).toHaveLength(1)
  })

  test('that need more than that are refused in so many words', () => {
    for (const pattern of ['(?=a)b', '(?<!a)b', '(a)\\1', 'a{5000}', '(', 'a'.repeat(5000)]) {
      expect(schemaProblem({ pattern }), pattern).toMatch(/pattern/)
      expect(schemaProblem({ properties: { a: { patternProperties: { [pattern]: true } } } }), pattern).toMatch(
        /pattern/,
      )
    }
    expect(schemaProblem({ pattern: '(?=a)b' })).toMatch(/look-around/)
  })
})

describe('references', () => {
  test('that lead back without having taken anything are refused', () => {
    const circles = [
      { $ref: '#' },
      { allOf: [{ $ref: '#' }] },
      { $dynamicRef: '#' },
      {
        $ref: '#/$defs/a',
        $defs: { a: { $ref: '#/$defs/b' }, b: { anyOf: [{ type: 'null', not: {} }, { $ref: '#/$defs/a' }] } },
      },
    ]
    for (const schema of circles) expect(schemaProblem(schema), JSON.stringify(schema)).toMatch(/circle/)
  })

  test('of a tree to itself are taken', () => {
    const tree = {
      type: 'object',
      properties: { value: {}, children: { type: 'array', items: { $ref: '#' } } },
      required: ['value'],
    }
    expect(schemaProblem(tree)).toBeUndefined()
    expect(problemsUnder(tree, { value: 1, children: [{ value: 2 }] }, 'payload')).toEqual([])
    expect(problemsUnder(tree, { value: 1, children: [{}] }, 'payload')).toMatchObject([
      { field: 'payload.children.0' },
    ])
  })

  test('in a circle that only some values enter are told of such a value', () => {
    const schema = JSON.parse('{"if":{"const":"x"},"then":{"$ref":"#"}}')
    expect(problemsUnder(schema, 'y', 'payload')).toEqual([])
    expect(problemsUnder(schema, 'x', 'payload')).toEqual([
      { field: 'payload', message: 'is nested deeper than its schema can be checked' },
    ])
  })

  test('that double the work with each step are cut off', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `d${i}`,
        i === 39 ? {} : { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
      ]),
    )
    const fold = { properties: { a: { allOf: [{ $ref: '#' }, { $ref: '#' }] } } }
    let nested: unknown = {}
    for (let depth = 0; depth < 60; depth++) nested = { a: nested }
    expect(timed(() => schemaProblem({ $ref: '#/$defs/d0', $defs })).ms).toBeLessThan(5000)
    const { ms, value } = timed(() => problemsUnder(fold, nested, 'payload'))
    expect(ms).toBeLessThan(5000)
    expect(value).toMatchObject([{ field: 'payload' }])
  })
})

test('schemas nested without end are refused', () => {
  let schema: object = {}
  for (let depth = 0; depth < 5000; depth++) schema = { items: schema }
  expect(schemaProblem(schema)).toMatch(/nested/)
})

test('a schema that has become unusable refuses values instead of throwing', () => {
  expect(problemsUnder({ pattern: '(?=a)b' }, 'b', 'payload')).toMatchObject([{ field: 'payload' }])
})

test('long lists of different items are compared quickly', () => {
  const list = Array.from({ length: 100_000 }, (_, i) => ({ i }))
  const { ms, value } = timed(() => problemsUnder({ uniqueItems: true }, list, 'payload'))
  expect(value).toEqual([])
  expect(ms).toBeLessThan(5000)
  expect(
    problemsUnder(
      { uniqueItems: true },
      [
        { a: 1, b: [2] },
        { b: [2], a: 1 },
      ],
      'payload',
    ),
  ).toHaveLength(1)
  expect(problemsUnder({ uniqueItems: true }, [1, '1', [1], null, 'null'], 'payload')).toEqual([])
  expect(problemsUnder({ uniqueItems: false }, [1, 1], 'payload')).toEqual([])
})
