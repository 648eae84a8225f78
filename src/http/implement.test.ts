import fc from 'fast-check'
import { Type } from 'typebox'
import { describe, expect, test } from 'vitest'
import { anyJson, body, commaList, jsonObject, nullable, optional, query, withDefault } from '#contract/common.ts'
import { route } from '#contract/route.ts'
import { refuse } from '#core/error.ts'
import { Json } from '#core/json/json.ts'
import { answer, implement } from './implement.ts'
import { testServer } from './server.fixture.ts'

const common = { needs: 'runs:read', tag: 'Test', summary: 'For a test.' } as const

const echo = route({
  ...common,
  method: 'POST',
  path: '/echo/:id',
  name: 'echo',
  params: Type.Object({ id: Type.String() }),
  query: query({
    names: optional(commaList(Type.String(), 10, 'Names.')),
    limit: withDefault(Type.Integer(), 50),
  }),
  body: body({ value: optional(anyJson('Anything.')), count: withDefault(Type.Integer(), 1) }),
  bodyOptional: true,
  replies: { 200: anyJson('What the handler got.') },
})

const anything = Type.Object({
  required: anyJson('Anything.'),
  left_out: optional(anyJson('Anything.')),
  object: nullable(jsonObject('Any object.')),
  list: Type.Array(anyJson('Anything.')),
  nested: Type.Object({ data: anyJson('Anything.') }),
})
const shaped = route({
  ...common,
  method: 'POST',
  path: '/shaped',
  name: 'shaped',
  body: body({ value: anyJson('Anything.') }),
  replies: { 201: anything },
})
const bare = route({
  ...common,
  method: 'POST',
  path: '/bare',
  name: 'bare',
  body: body({ value: anyJson('Anything.') }),
  replies: { 200: anyJson('The value itself.') },
})
const many = route({
  ...common,
  method: 'DELETE',
  path: '/many',
  name: 'many',
  query: query({ what: withDefault(Type.String(), 'nothing') }),
  replies: { 204: null, 200: Type.Object({ what: Type.String() }), 503: Type.Object({ what: Type.String() }) },
})

const app = testServer((app) => {
  implement(app, echo, (input) => input)
  implement(app, shaped, ({ value }) => {
    const object = value instanceof Json && value.isObject ? (value as unknown as Record<string, unknown>) : null
    return { required: value, left_out: value, object, list: [value, value], nested: { data: value } }
  })
  implement(app, bare, ({ value }) => value)
  implement(app, many, ({ what }) => {
    if (what === 'refusal') throw refuse('run_not_found', { runId: 'r' })
    if (what === 'nothing') return answer(204, undefined)
    return what === 'trouble' ? answer(503, { what }) : answer(200, { what })
  })
})

const post = async (url: string, value?: unknown) => {
  const reply = await app.inject({ method: 'POST', url, ...(value !== undefined && { payload: value as object }) })
  return { status: reply.statusCode, json: JSON.parse(reply.body) }
}

describe('the input of a handler', () => {
  test('a handler gets path, query and body in one object, converted, with defaults', async () => {
    expect((await post('/echo/7?names=a,b&names=c&limit=3', { value: [1] })).json).toEqual({
      id: '7',
      names: ['a', 'b', 'c'],
      limit: 3,
      value: [1],
      count: 1,
    })
    expect((await post('/echo/7', { value: null })).json).toEqual({ id: '7', limit: 50, value: null, count: 1 })
  })

  test('a handler gets the defaults of the body even when there was no body', async () => {
    expect((await post('/echo/7')).json).toEqual({ id: '7', limit: 50, count: 1 })
  })

  test('a path parameter keeps a decoded slash, and characters of any script', async () => {
    expect((await post(`/echo/${encodeURIComponent('run x/ÿ 日本 🦊')}`)).json.id).toBe('run x/ÿ 日本 🦊')
  })

  test('a request without a required body is refused', async () => {
    expect(await post('/shaped')).toMatchObject({
      status: 422,
      json: { error: { code: 'invalid', details: { fields: [{ field: 'body', message: 'must be object' }] } } },
    })
  })
})

describe('the reply of a handler', () => {
  test('a reply has the only status of its route, or the one that the handler chose', async () => {
    expect((await post('/shaped', { value: 1 })).status).toBe(201)
    const statuses = await Promise.all(
      ['nothing', 'thing', 'trouble', 'refusal'].map((what) =>
        app.inject({ method: 'DELETE', url: `/many?what=${what}` }),
      ),
    )
    expect(statuses.map((answer) => answer.statusCode)).toEqual([204, 200, 503, 404])
    expect(statuses[0]!.body).toBe('')
  })

  test.each<unknown>([
    null,
    'text',
    '',
    0,
    -0.5,
    false,
    [],
    {},
    [[[]], [{}], null],
    { nested: { deep: [{ a: null }] } },
    '日本 🦊 \u2028 \u007f "quoted" \\ /',
    { 'key with "quotes"': 1, '': 2, 日本: 3, toString: 4, length: 5 },
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    1e21,
    1.7976931348623157e308,
    5e-324,
    '2026-01-01T00:00:00Z',
  ])('free-form JSON is returned unchanged in every place: %j', async (value) => {
    const { json } = await post('/shaped', { value })
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    expect(json).toEqual({
      required: value,
      left_out: value,
      object: isObject ? value : null,
      list: [value, value],
      nested: { data: value },
    })
    expect((await post('/bare', { value })).json).toEqual(value)
  })

  test('any JSON is returned unchanged', async () => {
    // What parsing and printing themselves do not keep (minus zero) is no loss on our way.
    const json = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.parse(JSON.stringify(value)))
    const kept = json.filter((value) => !JSON.stringify(value).includes('__proto__'))
    await fc.assert(
      fc.asyncProperty(kept, async (value) => {
        const reply = await post('/shaped', { value })
        expect(reply.status).toBe(201)
        expect(reply.json.required).toEqual(value)
        expect(reply.json.list).toEqual([value, value])
        expect((await post('/bare', { value })).json).toEqual(value)
      }),
      { numRuns: 300 },
    )
  })

  test('a reply has its content type even when the body is a bare string', async () => {
    const reply = await app.inject({ method: 'POST', url: '/bare', payload: { value: 'x' } })
    expect(reply.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(reply.body).toBe('"x"')
  })
})
