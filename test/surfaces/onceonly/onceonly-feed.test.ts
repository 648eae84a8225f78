import { describe, expect, test } from 'vitest'
import { callerOf, openNode, until } from '../../support/http-yard.ts'
import { type OnceYard, onceOf, onceYard } from '../../support/once-yard.ts'
import { redisMissing, testRedis } from '../../support/redis.ts'

const typesOf = ({ body }: { body: { type: string }[] }) => body.map((item) => item.type)
const lock = (yard: OnceYard, key: string) => yard.call('POST', '/check-lock', { key, ttl: 60 })

/** One suite: what the feed answers does not depend on where it is kept. */
function feedSuite(open: () => Promise<OnceYard>): void {
  test('the recent feed is a bare array of refusals, newest first', async () => {
    const yard = await open()
    expect((await yard.call('GET', '/events')).body).toEqual([])
    for (const key of ['a', 'b', 'a', 'b', 'a']) await lock(yard, key)
    const { body } = await yard.call('GET', '/events')
    expect(body).toEqual([
      { ts: expect.any(Number), type: 'duplicate', key: 'a' },
      { ts: expect.any(Number), type: 'duplicate', key: 'b' },
      { ts: expect.any(Number), type: 'duplicate', key: 'a' },
    ])
    expect(Number.isInteger(body[0].ts)).toBe(true)
    expect(body[0].ts).toBeGreaterThan(Date.now() / 1000 - 60)
  })

  test('the recent feed has pages, at most 200 items at once and 200 in total', async () => {
    const yard = await open()
    const keys = Array.from({ length: 230 }, (_, n) => `k${n}`)
    await Promise.all(keys.map((key) => lock(yard, key)))
    for (const key of keys) await lock(yard, key)
    const all = await until(
      () => yard.call('GET', '/events?limit=200'),
      ({ body }) => body[0]?.key === 'k229' && body.length === 200,
    )
    expect(all.body.map((item: { key: string }) => item.key)).toEqual(keys.slice(30).reverse())
    expect((await yard.call('GET', '/events')).body).toEqual(all.body.slice(0, 50))
    expect((await yard.call('GET', '/events?limit=30&offset=180')).body).toEqual(all.body.slice(180))
    expect((await yard.call('GET', '/events?offset=200')).body).toEqual([])
    for (const query of ['limit=201', 'limit=0', 'offset=-1']) {
      const { status, body } = await yard.call('GET', `/events?${query}`)
      expect([status, body.detail[0].loc[0]], query).toEqual([422, 'query'])
    }
  })

  test('the recent feed has nothing that only a client reports', async () => {
    const yard = await open()
    for (const type of ['policy.blocked', 'lock.refused', 'plan.exceeded', 'ai.acquired', 'ai.completed', 'ai.failed'])
      expect((await yard.call('POST', '/events', { run_id: 'f', type, data: { key: 'k' } })).status).toBe(200)
    expect((await yard.call('GET', '/events')).body).toEqual([])
  })

  test('the recent feed is in order of occurrence, although some items are written a moment later', async () => {
    const yard = await open()
    await lock(yard, 'a')
    for (const n of [1, 2, 3]) {
      await lock(yard, 'a')
      await yard.call('POST', '/ai/lease', { key: `job-${n}` })
    }
    expect(typesOf(await yard.call('GET', '/events'))).toEqual([1, 2, 3].flatMap(() => ['ai_acquired', 'duplicate']))
  })

  test('the recent feed has calls that a policy blocked, wherever they were made', async () => {
    const yard = await open()
    await yard.native('PUT', '/v1/agents/support_bot/policy', { policy: { blocked_tools: ['delete_user'] } })
    expect((await yard.call('GET', '/events')).body).toEqual([])
    const decided = await yard.native('POST', '/v1/agents/support_bot/authorize', { tool: 'delete_user' })
    expect(decided.body.decision).toBe('blocked')
    const { body } = await until(
      () => yard.call('GET', '/events'),
      (reply) => reply.body.length > 0,
    )
    expect(body).toEqual([
      {
        ts: expect.any(Number),
        type: 'policy_blocked',
        meta: {
          agent_id: 'support_bot',
          tool: 'delete_user',
          reason: expect.any(String),
          risk_level: expect.stringMatching(/^(low|medium|high)$/),
          policy_version: expect.any(String),
        },
      },
    ])
  })

  test('the recent feed belongs to its project alone, and has no posted events', async () => {
    const yard = await open()
    await lock(yard, 'a')
    await lock(yard, 'a')
    await yard.call('POST', '/events', { run_id: 'r', type: 'duplicate' })
    expect((await yard.stranger('GET', '/events')).body).toEqual([])
    expect((await yard.call('GET', '/events')).body).toHaveLength(1)
  })

  test('the recent feed is the same on other nodes', async () => {
    const yard = await open()
    const other = await openNode(yard.url, yard.env)
    const elsewhere = onceOf(callerOf(other.address))
    expect((await elsewhere('GET', '/events')).body).toEqual([])
    await lock(yard, 'a')
    await lock(yard, 'a')
    await until(
      () => elsewhere('GET', '/events'),
      ({ body }) => body.length === 1,
    )
  })
}

describe('the recent feed, read from the log', () => feedSuite(() => onceYard({ REDIS_URL: '' })))

describe.skipIf(redisMissing)('the recent feed, with Redis', () => {
  feedSuite(async () => onceYard({ REDIS_URL: (await testRedis()).url }))

  test('the recent feed continues without Redis, and with it again, and nothing is missing', async () => {
    const redis = await testRedis()
    const yard = await onceYard({ REDIS_URL: redis.url })
    await lock(yard, 'a')
    await lock(yard, 'a')
    expect(typesOf(await yard.call('GET', '/events'))).toEqual(['duplicate'])
    await redis.kill()
    await lock(yard, 'a')
    const away = await yard.call('GET', '/events')
    expect([away.status, typesOf(away)]).toEqual([200, ['duplicate', 'duplicate']])
    await redis.start()
    await lock(yard, 'a')
    for (let n = 0; n < 3; n++) expect((await yard.call('GET', '/events')).body).toHaveLength(3)
  })
})
