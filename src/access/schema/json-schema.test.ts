import { describe, expect, test } from 'vitest'
import * as door from './json-schema.ts'

const schemaProblem = (schema: object) => door.schemaProblem(schema, 'p1')
const problemsUnder = (schema: object, value: unknown, name: string) =>
  door.problemsUnder({ projectId: 'p1', schema, value, name })

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startMs = performance.now()
  const value = await work()
  return { value, ms: performance.now() - startMs }
}

describe('patterns in JSON Schemas', () => {
  test('any pattern is matched in time proportional to the text', async () => {
    for (const pattern of ['^(a+)+$', '^(a|aa)+$', '^(a|a?)+$', '^([a-z]+)*$'])
      for (const schema of [{ pattern }, { patternProperties: { [pattern]: false } }]) {
        const text = `${'a'.repeat(28)}!`
        expect(await schemaProblem(schema)).toBeUndefined()
        const { ms } = await timed(() => problemsUnder(schema, 'pattern' in schema ? text : { [text]: 1 }, 'payload'))
        expect(ms, pattern).toBeLessThan(500)
      }
    expect(await problemsUnder({ pattern: '^(a+)+$' }, `${'a'.repeat(28)}!`, 'payload')).toMatchObject([
      { field: 'payload' },
    ])
  })

  test('a pattern with many repetitions is not tried on a long text', async () => {
    const text = 'abbab'.repeat(200_000)
    const { ms, value } = await timed(() => problemsUnder({ pattern: '^[ab]*a[ab]{900}[c-d]$' }, text, 'payload'))
    expect(ms).toBeLessThan(5000)
    expect(value).toMatchObject([{ field: 'payload', message: 'is too long for the patterns of its schema' }])
    expect(await problemsUnder({ pattern: '^[a-z]+$' }, text, 'payload')).toEqual([])
  })

  test('patterns have the same meaning as in JavaScript', async () => {
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
      expect(await schemaProblem({ pattern }), pattern).toBeUndefined()
      expect((await problemsUnder({ pattern }, text, 'payload')).length === 0, pattern).toBe(matches)
    }
  })

  test('the patterns of one schema are distinguished from each other', async () => {
    const schema = { allOf: [{ pattern: '^a' }, { pattern: 'b$' }] }
    expect(await problemsUnder(schema, 'ab', 'payload')).toEqual([])
    expect(await problemsUnder(schema, 'ac', 'payload')).toHaveLength(1)
    expect(await problemsUnder(schema, 'cb', 'payload')).toHaveLength(1)
  })

  test('a pattern that needs more than the limit is refused with a clear reason', async () => {
    for (const pattern of ['(?=a)b', '(?<!a)b', '(a)\\1', 'a{5000}', '(', 'a'.repeat(5000)]) {
      expect(await schemaProblem({ pattern }), pattern).toMatch(/pattern/)
      expect(await schemaProblem({ properties: { a: { patternProperties: { [pattern]: true } } } }), pattern).toMatch(
        /pattern/,
      )
    }
    expect(await schemaProblem({ pattern: '(?=a)b' })).toMatch(/look-around/)
  })
})

describe('references in JSON Schemas', () => {
  test('a reference that leads back to itself without consuming anything is refused', async () => {
    const circles = [
      { $ref: '#' },
      { allOf: [{ $ref: '#' }] },
      { $dynamicRef: '#' },
      {
        $ref: '#/$defs/a',
        $defs: { a: { $ref: '#/$defs/b' }, b: { anyOf: [{ type: 'null', not: {} }, { $ref: '#/$defs/a' }] } },
      },
    ]
    for (const schema of circles) expect(await schemaProblem(schema), JSON.stringify(schema)).toMatch(/circle/)
  })

  test('a tree that refers to itself is accepted', async () => {
    const tree = {
      type: 'object',
      properties: { value: {}, children: { type: 'array', items: { $ref: '#' } } },
      required: ['value'],
    }
    expect(await schemaProblem(tree)).toBeUndefined()
    expect(await problemsUnder(tree, { value: 1, children: [{ value: 2 }] }, 'payload')).toEqual([])
    expect(await problemsUnder(tree, { value: 1, children: [{}] }, 'payload')).toMatchObject([
      { field: 'payload.children.0' },
    ])
  })

  test('a circular reference that only some values enter is reported for such a value', async () => {
    const schema = JSON.parse('{"if":{"const":"x"},"then":{"$ref":"#"}}')
    expect(await problemsUnder(schema, 'y', 'payload')).toEqual([])
    expect(await problemsUnder(schema, 'x', 'payload')).toEqual([
      { field: 'payload', message: 'is nested deeper than its schema can be checked' },
    ])
  })

  test('references that double the work at each step are cut off', async () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `d${i}`,
        i === 39 ? {} : { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
      ]),
    )
    const fold = { properties: { a: { allOf: [{ $ref: '#' }, { $ref: '#' }] } } }
    let nested: unknown = {}
    for (let depth = 0; depth < 60; depth++) nested = { a: nested }
    expect((await timed(() => schemaProblem({ $ref: '#/$defs/d0', $defs }))).ms).toBeLessThan(5000)
    const { ms, value } = await timed(() => problemsUnder(fold, nested, 'payload'))
    expect(ms).toBeLessThan(5000)
    expect(value).toMatchObject([{ field: 'payload' }])
  })
})

test('schemas nested without limit are refused', async () => {
  let schema: object = {}
  for (let depth = 0; depth < 5000; depth++) schema = { items: schema }
  expect(await schemaProblem(schema)).toMatch(/nested/)
})

test('a schema that has become unusable refuses values instead of throwing', async () => {
  expect(await problemsUnder({ pattern: '(?=a)b' }, 'b', 'payload')).toMatchObject([{ field: 'payload' }])
})

test('uniqueItems checks long lists of different items quickly', async () => {
  const list = Array.from({ length: 100_000 }, (_, i) => ({ i }))
  const { ms, value } = await timed(() => problemsUnder({ uniqueItems: true }, list, 'payload'))
  expect(value).toEqual([])
  expect(ms).toBeLessThan(5000)
  expect(
    await problemsUnder(
      { uniqueItems: true },
      [
        { a: 1, b: [2] },
        { b: [2], a: 1 },
      ],
      'payload',
    ),
  ).toHaveLength(1)
  expect(await problemsUnder({ uniqueItems: true }, [1, '1', [1], null, 'null'], 'payload')).toEqual([])
  expect(await problemsUnder({ uniqueItems: false }, [1, 1], 'payload')).toEqual([])
})

test('multipleOf works on numbers as they are written', async () => {
  const cases: [value: number, divisor: number, is: boolean][] = [
    [19.99, 0.01, true],
    [0.07, 0.01, true],
    [1.1, 0.1, true],
    [19.995, 0.01, false],
    [1e-9, 0.01, false],
    [1e300, 1e-300, true],
    [1e300, 0.3, false],
    [7, 2, false],
    [-8, 2, true],
    [0, 0.01, true],
    [5e-324, 1e308, false],
  ]
  for (const [value, multipleOf, is] of cases)
    expect((await problemsUnder({ multipleOf }, value, 'payload')).length === 0, `${value} of ${multipleOf}`).toBe(is)
})

test('an object never equals a list of its parts', async () => {
  expect(await problemsUnder({ uniqueItems: true }, [{ a: 1 }, [['a', 1]], ['object', ['a', 1]]], 'payload')).toEqual(
    [],
  )
})

test('a schema with keywords that only Ajv knows is refused, and one that only looks like it is accepted', async () => {
  expect(await schemaProblem({ $async: true })).toMatch(/\$async/)
  expect(await schemaProblem({ items: [], prefixItems: [{ $async: true }] })).toMatch(/\$async/)
  expect(await schemaProblem({ const: { $async: true }, properties: { $async: {} } })).toBeUndefined()
})

test('a schema checks own members only, not those that every object inherits', async () => {
  for (const name of ['toString', 'constructor', 'valueOf', 'hasOwnProperty']) {
    expect(await problemsUnder({ required: [name] }, { a: 1 }, 'payload'), name).toHaveLength(1)
    expect(await problemsUnder({ required: [name] }, { [name]: 1 }, 'payload'), name).toEqual([])
    expect(await problemsUnder({ properties: { [name]: { type: 'string' } } }, { a: 1 }, 'payload'), name).toEqual([])
    expect(await problemsUnder({ dependentRequired: { [name]: ['b'] } }, { a: 1 }, 'payload'), name).toEqual([])
    expect(await problemsUnder({ dependentSchemas: { [name]: false } }, { a: 1 }, 'payload'), name).toEqual([])
  }
})
