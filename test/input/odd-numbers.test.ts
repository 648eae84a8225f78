// Numbers, times and texts that are formed as they should be and yet cannot be kept: none of them may give a 500.
import { expect, test } from 'vitest'
import { recordUsage } from '#contract/runs/executor.ts'
import { checkOf } from '#http/input/validation.ts'
import { httpYard } from '../support/http-yard.ts'

const fieldsOf = (reply: { body: { error: { details?: { fields?: { field: string }[] } } } }) =>
  reply.body.error?.details?.fields?.map((it) => it.field)

const UUID = '01900000-0000-7000-8000-000000000000'

test('numbers in a query or path that overflow to infinity are refused with their field', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body.id
  const cases: [string, string][] = [
    ['/v1/runs?limit=1e309', 'limit'],
    ['/v1/runs?limit=-1e309', 'limit'],
    ['/v1/jobs?limit=1e999', 'limit'],
    ['/v1/events?limit=1e309', 'limit'],
    [`/v1/runs/${run}/events?after_sequence=1e309`, 'after_sequence'],
    ['/v1/jobs/j/versions/1e309', 'version'],
    [`/v1/runs/${run}/checkpoints/1e309`, 'number'],
  ]
  for (const [path, field] of cases) {
    const reply = await call('GET', path)
    expect([reply.status, fieldsOf(reply)], path).toEqual([422, [field]])
  }
})

test('JSON in payload_contains that PostgreSQL cannot store is refused with its field', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  await call('POST', '/v1/jobs/j/runs', { payload: { a: 1, b: 'é' } })
  const wide = '['.repeat(200) + ']'.repeat(200)
  for (const text of [
    '{"a":"\\u0000"}',
    '"\\ud800"',
    '{"\\u0000":1}',
    '1e400000',
    '1e-20000',
    '0e-20000',
    '{',
    '',
    wide,
  ]) {
    const reply = await call('GET', `/v1/runs?payload_contains=${encodeURIComponent(text)}`)
    expect([reply.status, fieldsOf(reply)?.[0]?.split(/[.[]/)[0]], text).toEqual([422, 'payload_contains'])
  }
  const found = async (text: string) =>
    (await call('GET', `/v1/runs?payload_contains=${encodeURIComponent(text)}`)).body.data?.length
  expect(await found('{"a":1.0}')).toBe(1)
  expect(await found('{"b":"\\u00e9"}')).toBe(1)
  expect(await found('{"b":"1e-20000"}')).toBe(0)
})

test('forged cursors are refused as invalid', async () => {
  const { call } = await httpYard()
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const run = (await call('POST', '/v1/jobs/j/runs', {})).body.id
  const times = [
    '2026-99-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-01-01T25:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:61:00Z',
    '0000-01-01T00:00:00Z',
  ]
  const beyond = ['9999999999999999999', '-9999999999999999999', '9007199254740992', '1e309']
  const cases: [string, unknown[]][] = [
    ...times.map((time): [string, unknown[]] => ['/v1/runs', ['runs', time, UUID]]),
    ...times.map((time): [string, unknown[]] => ['/v1/events?order=desc', ['events-desc', time, 1]]),
    ...beyond.flatMap((number): [string, unknown[]][] => [
      ['/v1/events?order=desc', ['events-desc', '2026-01-01T00:00:00.000Z', number]],
      [`/v1/runs/${run}/events`, ['run-events', number]],
      [`/v1/runs/${run}/usage`, ['usage', number]],
      [`/v1/runs/${run}/tool-calls`, ['tool-calls', number]],
    ]),
    ...[...beyond, '2147483648', '-2147483649'].flatMap((number): [string, unknown[]][] => [
      [`/v1/runs/${run}/checkpoints`, ['checkpoints', number]],
      ['/v1/jobs/j/versions', ['versions', number]],
    ]),
  ]
  for (const [path, parts] of cases) {
    const cursor = Buffer.from(JSON.stringify(parts)).toString('base64url')
    const reply = await call('GET', `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}`)
    expect([reply.status, reply.body.error?.code], `${path} ${JSON.stringify(parts)}`).toEqual([400, 'invalid_cursor'])
  }
  const own = Buffer.from(JSON.stringify(['versions', 2_147_483_647])).toString('base64url')
  expect((await call('GET', `/v1/jobs/j/versions?cursor=${own}`)).body.data).toHaveLength(1)
})

test('the usage of a model call is bounded so that no hourly sum overflows', () => {
  const check = checkOf(recordUsage.body!)
  const fieldsOfUsage = (usage: object) => check({ provider: 'p', model: 'm', ...usage })?.map((it) => it.field)
  expect(fieldsOfUsage({ cost_microusd: 1e12, prompt_tokens: 2_147_483_647 })).toBeUndefined()
  expect(fieldsOfUsage({ cost_microusd: 1e12 + 1 })).toEqual(['cost_microusd'])
  expect(fieldsOfUsage({ cost_microusd: Number.MAX_SAFE_INTEGER })).toEqual(['cost_microusd'])
  for (const field of ['prompt_tokens', 'completion_tokens', 'total_tokens'])
    expect(fieldsOfUsage({ [field]: 2_147_483_648 })).toEqual([field])
})
