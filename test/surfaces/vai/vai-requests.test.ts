import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { shownAs } from '#dialects/vai/resource-types.ts'
import { callerOf, KEY } from '../../support/http-yard.ts'
import { vaiYard } from '../../support/vai-yard.ts'

const THING = '497f6eca-6276-4993-bfeb-53cbbbba6f08'

const KINDS =
  "'action_run', 'agent_spec', 'artifact', 'automation', 'automation_run', 'chat_thread', 'connection', 'decision', 'flashboard', 'inbound_message' or 'template'"

const notWhole = { type: 'int_parsing', msg: 'Input should be a valid integer, unable to parse string as an integer' }
const below = (ge: number) => ({
  type: 'greater_than_equal',
  msg: `Input should be greater than or equal to ${ge}`,
  ctx: { ge },
})
const above = { type: 'less_than_equal', msg: 'Input should be less than or equal to 100', ctx: { le: 100 } }
const noUuid = (error: string) => ({
  type: 'uuid_parsing',
  msg: `Input should be a valid UUID, ${error}`,
  ctx: { error },
})
const noKind = { type: 'enum', msg: `Input should be ${KINDS}`, ctx: { expected: KINDS } }
const noTime = (error: string) => ({
  type: 'datetime_from_date_parsing',
  msg: `Input should be a valid datetime or date, ${error}`,
  ctx: { error },
})
const LENGTH = (found: number) => `invalid length: expected length 32 for simple format, found ${found}`

const BAD: [path: string, loc: string[], input: string, said: object][] = [
  ['?limit=0', ['query', 'limit'], '0', below(1)],
  ['?limit=101', ['query', 'limit'], '101', above],
  ['?limit=ten', ['query', 'limit'], 'ten', notWhole],
  ['?limit=', ['query', 'limit'], '', notWhole],
  ['?limit=5.5', ['query', 'limit'], '5.5', notWhole],
  ['?limit=5&limit=-7', ['query', 'limit'], '-7', below(1)],
  ['?offset=-1', ['query', 'offset'], '-1', below(0)],
  ['?offset=x', ['query', 'offset'], 'x', notWhole],
  ['/correlation/c?limit=101', ['query', 'limit'], '101', above],
  ['/correlation/c?offset=-1', ['query', 'offset'], '-1', below(0)],
  [`/resource/artifact/${THING}?limit=0`, ['query', 'limit'], '0', below(1)],
  ['?resource_type=run', ['query', 'resource_type'], 'run', noKind],
  [`/resource/Artifact/${THING}`, ['path', 'resource_type'], 'Artifact', noKind],
  ['?resource_id=42', ['query', 'resource_id'], '42', noUuid(LENGTH(2))],
  ['/resource/artifact/42', ['path', 'resource_id'], '42', noUuid(LENGTH(2))],
  ['/abc', ['path', 'event_id'], 'abc', noUuid(LENGTH(3))],
  ['/stats', ['path', 'event_id'], 'stats', noUuid('invalid character: found `s` at 1')],
  ['/correlation', ['path', 'event_id'], 'correlation', noUuid('invalid character: found `o` at 2')],
  [`/${THING}0`, ['path', 'event_id'], `${THING}0`, noUuid('invalid group length in group 4: expected 12, found 13')],
  ['/1-2', ['path', 'event_id'], '1-2', noUuid('invalid group count: expected 5, found 2')],
  ['?from=soon', ['query', 'from'], 'soon', noTime('input is too short')],
  ['?to=', ['query', 'to'], '', noTime('input is too short')],
  ['?to=2026-13-01', ['query', 'to'], '2026-13-01', noTime('month value is outside expected range of 1-12')],
  ['?to=2026-02-30', ['query', 'to'], '2026-02-30', noTime('day value is outside expected range')],
  ['?from=2026/01/01', ['query', 'from'], '2026/01/01', noTime('invalid date separator, expected `-`')],
  ['?from=yesterday at ten', ['query', 'from'], 'yesterday at ten', noTime('invalid character in year')],
  [
    '?from=2026-01-01T25:00',
    ['query', 'from'],
    '2026-01-01T25:00',
    noTime('unexpected extra characters at the end of the input'),
  ],
  ['/aggregate?from=x', ['query', 'from'], 'x', noTime('input is too short')],
  ['/stats/by-actor?to=x', ['query', 'to'], 'x', noTime('input is too short')],
]

test('an invalid parameter is reported in the words of FastAPI', async () => {
  const { get } = await vaiYard()
  for (const [path, loc, input, said] of BAD) {
    const reply = await get(path)
    expect([reply.status, reply.body], path).toEqual([422, { detail: [{ ...said, loc, input }] }])
  }
})

test('all errors are reported at once, those of the path first', async () => {
  const { get } = await vaiYard()
  const { body } = await get('/resource/foo/bar?offset=-1&limit=0')
  expect(body.detail.map((error: { loc: string[]; type: string }) => [...error.loc, error.type])).toEqual([
    ['path', 'resource_type', 'enum'],
    ['path', 'resource_id', 'uuid_parsing'],
    ['query', 'limit', 'greater_than_equal'],
    ['query', 'offset', 'greater_than_equal'],
  ])
})

test('values that Pydantic can parse are accepted', async () => {
  const { get } = await vaiYard()
  expect((await get('?limit=%2B5&offset=1_0')).body).toMatchObject({ limit: 5, offset: 10 })
  expect((await get('?limit=%20007.0%20')).body).toMatchObject({ limit: 7 })
  expect((await get('?limit=3&limit=4')).body).toMatchObject({ limit: 4 })
  for (const id of [THING.replaceAll('-', ''), `{${THING}}`, `urn:uuid:${THING}`, THING.toUpperCase()])
    expect((await get(`?resource_id=${encodeURIComponent(id)}`)).status, id).toBe(200)
  expect((await get('?offset=99999999999999999999')).status).toBe(422)
  expect((await get('?offset=9007199254740991')).body).toMatchObject({ events: [], hasNext: false })
  expect((await get('?event_type=a%00b')).status).toBe(422)
})

test('fixed paths take precedence over ids, and unknown ids are not found', async () => {
  const { get, call } = await vaiYard()
  for (const path of ['/aggregate', '/stats/by-actor', '/correlation/aggregate', `/resource/artifact/${THING}`])
    expect((await get(path)).status, path).toBe(200)
  expect(await get(`/${THING}`)).toMatchObject({ status: 404, body: { detail: 'Event not found' } })
  expect((await call('GET', '/vai/api/v1/nothing')).body).toEqual({ detail: 'Not Found' })
  const post = await call('POST', '/vai/api/v1/events', {})
  expect([post.status, post.body]).toEqual([405, { detail: 'Method Not Allowed' }])
})

describe('access to /vai', () => {
  const open = (address: string, headers: Record<string, string>, path = '/vai/api/v1/events') =>
    fetch(address + path, { headers })

  test('a key is accepted in three places', async () => {
    const { address } = await vaiYard()
    const carriers = [
      { authorization: `Bearer ${KEY}` },
      { 'x-api-key': KEY },
      { cookie: `vai_token=${KEY}` },
      { cookie: `theme=dark; vai_token="${KEY}"; other=1` },
      { authorization: 'Basic eDp5', cookie: `vai_token=${KEY}` },
    ]
    for (const headers of carriers) expect((await open(address, headers as Record<string, string>)).status).toBe(200)
  })

  test('without a valid key the response is 401, with a sentence', async () => {
    const { address } = await vaiYard()
    const carriers = [
      {},
      { authorization: 'Bearer nonsense' },
      { cookie: 'vai_token=nonsense' },
      { cookie: `vai_tokens=${KEY}` },
      { cookie: 'vai_token=' },
    ]
    for (const headers of carriers) {
      const reply = await open(address, headers as Record<string, string>)
      expect(reply.status).toBe(401)
      expect(await reply.json()).toEqual({ detail: expect.any(String) })
    }
    // Who calls is asked before what they ask for is looked at.
    expect((await open(address, {}, '/vai/api/v1/events/abc')).status).toBe(401)
  })

  test('the cookie is accepted by /vai only', async () => {
    const { address } = await vaiYard()
    for (const path of ['/v1/events', '/v1/runs', '/strait/v1/runs'])
      expect((await open(address, { cookie: `vai_token=${KEY}` }, path)).status, path).toBe(401)
  })

  test('the key needs the scope for reading events', async () => {
    const { call, address } = await vaiYard()
    const keyWith = async (scope: string) => (await call('POST', '/v1/keys', { name: scope, scopes: [scope] })).body.key
    const asked = async (scope: string) => callerOf(address, await keyWith(scope))('GET', '/vai/api/v1/events')
    expect((await asked('events:read')).status).toBe(200)
    const refused = await asked('runs:write')
    expect([refused.status, refused.body]).toEqual([403, { detail: 'This key lacks the scope events:read.' }])
  })

  test('nothing of another project is visible', async () => {
    const { get, stranger, report } = await vaiYard()
    const id = await report({
      type: 'a.done',
      resource_type: 'artifact',
      resource_id: 'secret',
      run_id: 'r',
      correlation_id: 'c',
    })
    const { resourceId, correlationId } = (await get(`/${id}`)).body
    expect((await stranger(`/${id}`)).status).toBe(404)
    const lists = [
      '?event_type=a.done',
      `/correlation/${correlationId}`,
      `/resource/artifact/${resourceId}`,
      `?resource_id=${resourceId}`,
    ]
    for (const path of lists) {
      expect((await get(path)).body.total, path).toBe(1)
      expect((await stranger(path)).body, path).toMatchObject({ events: [], total: 0 })
    }
    const counts = (await stranger('/aggregate')).body
    expect(counts.byEventType.map((count: { key: string }) => count.key)).not.toContain('a.done')
    expect(
      (await stranger('/stats/by-actor')).body.actors.every((actor: { total: number }) => actor.total <= counts.total),
    ).toBe(true)
  })
})

test('the OpenAPI document of /vai has its six reads', async () => {
  const { address } = await vaiYard()
  const document = (await (await fetch(`${address}/vai/openapi.json`)).json()) as { paths: object }
  expect(Object.keys(document.paths).sort()).toEqual([
    '/api/v1/events',
    '/api/v1/events/aggregate',
    '/api/v1/events/correlation/{correlation_id}',
    '/api/v1/events/resource/{resource_type}/{resource_id}',
    '/api/v1/events/stats/by-actor',
    '/api/v1/events/{event_id}',
  ])
})

test('docs/vai.md says what each resource type of ours is at /vai', () => {
  const rows = [...readFileSync('docs/vai.md', 'utf8').matchAll(/^\| `(\w+)` +\| `(\w+)` +\|$/gm)]
  expect(rows.length).toBeGreaterThan(10)
  for (const [, ours, here] of rows) expect(shownAs(ours!), ours).toBe(here)
})

test('an invalid credential does not spoil a valid one', async () => {
  const { address } = await vaiYard()
  const status = async (headers: Record<string, string>) =>
    (await fetch(`${address}/vai/api/v1/events`, { headers })).status
  const bad = { authorization: 'Bearer wrong-key-of-nobody' }
  expect(await status({ ...bad, 'x-api-key': KEY })).toBe(200)
  expect(await status({ ...bad, cookie: `vai_token=${KEY}` })).toBe(200)
  expect(await status({ 'x-api-key': 'wrong-key-of-nobody', cookie: `vai_token=${KEY}` })).toBe(200)
  expect(await status({ authorization: `Bearer ${KEY}`, 'x-api-key': 'wrong-key-of-nobody' })).toBe(200)
  expect(await status({ ...bad, 'x-api-key': 'wrong-key-of-nobody', cookie: 'vai_token=wrong' })).toBe(401)
})
