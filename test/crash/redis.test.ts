import { describe, expect, test } from 'vitest'
import { callerOf, httpYard, KEY, openNode, until } from '../support/http-yard.ts'
import { redisMissing, testRedis } from '../support/redis.ts'
import { type Frame, watch } from '../support/sse-client.ts'

describe.runIf(!redisMissing)('with Redis', () => {
  test('a worker and a stream on one node learn immediately of what is done on another', async () => {
    const redis = await testRedis()
    const { call, url } = await httpYard({ REDIS_URL: redis.url })
    const other = await openNode(url, { REDIS_URL: redis.url })
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const waiting = callerOf(other.address)('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })
    await until(
      () => call('GET', '/health/ready'),
      (reply) => reply.status === 200,
    )
    const beganMs = performance.now()
    const run = (await call('POST', '/v1/jobs/j/runs', {})).body
    expect((await waiting).body.runs).toMatchObject([{ run: { id: run.id } }])
    expect(performance.now() - beganMs).toBeLessThan(1_500)
    const frames: Frame[] = []
    const watching = watch({
      url: `${other.address}/v1/runs/${run.id}/stream`,
      key: KEY,
      onFrame: (frame) => frames.push(frame),
    })
    await until(
      async () => frames.length,
      (n) => n === 2,
    )
    const canceledMs = performance.now()
    await call('DELETE', `/v1/runs/${run.id}`)
    expect(await watching.ended).toBe('ended')
    expect(performance.now() - canceledMs).toBeLessThan(1_500)
    expect(frames.map((frame) => frame.event)).toEqual(['run.created', 'run.started', 'run.canceled'])
  })

  test('nodes count the requests of a key together', async () => {
    const redis = await testRedis()
    const { call, address, url } = await httpYard({ REDIS_URL: redis.url })
    const other = await openNode(url, { REDIS_URL: redis.url })
    const { key } = (await call('POST', '/v1/keys', { name: 'slow', scopes: ['runs:read'], rate_limit_per_minute: 60 }))
      .body
    const ask = (at: string) => callerOf(at, key)('GET', '/v1/runs')
    const replies = await Promise.all(Array.from({ length: 80 }, (_, i) => ask(i % 2 ? address : other.address)))
    expect(replies.filter((reply) => reply.status === 200)).toHaveLength(60)
    expect(replies.filter((reply) => reply.status === 429)).toHaveLength(20)
  })

  test.each([1, 2, 5, 8, 9])(
    'a key with a limit of %i requests per minute gets exactly that many, over all nodes',
    async (perMinute) => {
      const redis = await testRedis()
      const { call, address, url } = await httpYard({ REDIS_URL: redis.url })
      const other = await openNode(url, { REDIS_URL: redis.url })
      const asked = { name: 'slow', scopes: ['runs:read'], rate_limit_per_minute: perMinute }
      const { key } = (await call('POST', '/v1/keys', asked)).body
      const ask = (_: unknown, i: number) => callerOf(i % 2 ? address : other.address, key)('GET', '/v1/me')
      const replies = await Promise.all(Array.from({ length: 20 }, ask))
      expect(replies.filter((reply) => reply.status === 200)).toHaveLength(perMinute)
    },
  )

  test('while Redis is unavailable everything works, a little later, and Redis is used again when it is back', async () => {
    const redis = await testRedis()
    const { call, url } = await httpYard({ REDIS_URL: redis.url })
    const other = callerOf((await openNode(url, { REDIS_URL: redis.url })).address)
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    await redis.kill()
    const waiting = other('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })
    const run = await call('POST', '/v1/jobs/j/runs', {})
    expect(run.status).toBe(201)
    expect((await waiting).body.runs).toMatchObject([{ run: { id: run.body.id } }])
    await redis.start()
    const rung = async () => {
      const claim = other('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 20 })
      await new Promise((resolve) => setTimeout(resolve, 100))
      const beganMs = performance.now()
      await call('POST', '/v1/jobs/j/runs', {})
      await claim
      return performance.now() - beganMs
    }
    await until(rung, (ms) => ms < 200, 25_000)
  })

  test('while Redis hangs calls are answered immediately, health reports it, and Redis is used again when it recovers', {
    timeout: 60_000,
  }, async () => {
    const redis = await testRedis()
    const { call, url } = await httpYard({ REDIS_URL: redis.url })
    const other = callerOf((await openNode(url, { REDIS_URL: redis.url })).address)
    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const took: number[] = []
    let busy = true
    const load = Array.from({ length: 8 }, async (_, lane) => {
      while (busy) {
        const beganMs = performance.now()
        const reply = await (lane % 2 ? call : other)('GET', '/v1/jobs')
        took.push(performance.now() - beganMs)
        expect(reply.status).toBe(200)
      }
    })
    await until(
      async () => took.length,
      (n) => n > 100,
    )
    redis.signal('SIGSTOP')
    const before = took.length
    const health = () => call('GET', '/health/ready')
    const told = await until(health, ({ body }) =>
      body.checks.some((it: { name: string; ok: boolean }) => it.name === 'redis' && !it.ok),
    )
    expect([told.status, told.body.status]).toEqual([200, 'ready'])
    expect((await call('POST', '/v1/jobs/j/runs', {})).status).toBe(201)
    expect((await call('GET', '/onceonly/v1/recent')).status).toBeLessThan(500)
    await until(
      async () => took.length,
      (n) => n > before + 400,
      20_000,
    )
    busy = false
    await Promise.all(load)
    const during = took.slice(before).sort((a, b) => a - b)
    expect(during[Math.floor(during.length * 0.99)]).toBeLessThan(500)
    redis.signal('SIGCONT')
    await until(health, ({ body }) =>
      body.checks.some((it: { name: string; ok: boolean }) => it.name === 'redis' && it.ok),
    )
  })
})
