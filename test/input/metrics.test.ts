import { describe, expect, test } from 'vitest'
import { readConfig } from '#config.ts'
import { isLocal } from '#http/local-caller.ts'
import { testDatabase } from '#test/support/db.ts'
import { callerOf, httpYard, openNode, until } from '#test/support/http-yard.ts'

const PASSED_ON = { 'x-forwarded-for': '203.0.113.9' }

describe('metrics cover all projects', () => {
  test('metrics are open to this machine and to keys of the operator', async () => {
    const { call } = await httpYard()
    const ask = async (key: string, headers: Record<string, string> = {}) =>
      (await call('GET', '/metrics', undefined, { key, headers })).status
    const keyWith = async (scopes: string[]) => (await call('POST', '/v1/keys', { name: 'k', scopes })).body.key
    expect(await ask('')).toBe(200)
    expect(await ask('', PASSED_ON)).toBe(401)
    expect(await ask(await keyWith(['admin']), PASSED_ON)).toBe(403)
    expect(await ask(await keyWith(['projects']), PASSED_ON)).toBe(200)
  })

  test('another machine is not a local caller, nor is one behind a proxy', () => {
    const from = (remoteAddress: string, headers = {}) => isLocal({ socket: { remoteAddress }, headers } as never)
    for (const address of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']) expect(from(address)).toBe(true)
    for (const address of ['10.0.0.1', '172.17.0.1', '::ffff:10.0.0.1', 'fe80::1', '1270::1', ''])
      expect(from(address), address).toBe(false)
    for (const name of ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'])
      expect(from('127.0.0.1', { [name]: 'x' }), name).toBe(false)
  })

  test('with their own address, metrics are served there without a key, and nowhere else', async () => {
    const { call, node } = await httpYard({ RUNYARD_METRICS_ADDRESS: '127.0.0.1:0' })
    const there = await fetch(`${node.metricsAddress}/metrics`)
    expect([there.status, there.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(await there.text()).toContain('runyard_runs')
    for (const path of ['/', '/v1/jobs', '/health/ready'])
      expect((await fetch(node.metricsAddress + path)).status, path).toBe(404)
    expect((await call('GET', '/metrics', undefined, { key: '' })).status).toBe(401)
    expect((await call('GET', '/metrics')).status).toBe(200)
  })

  test.each(['9464', 'localhost', '127.0.0.1:x', '127.0.0.1:99999', '::1:9464', 'http://127.0.0.1:9464'])(
    'an invalid metrics address is reported at startup: %s',
    (address) => {
      expect(() => readConfig({ RUNYARD_METRICS_ADDRESS: address })).toThrow('RUNYARD_METRICS_ADDRESS')
    },
  )
})

const queuesIn = (text: string, metric: string): Set<string> =>
  new Set([...text.matchAll(new RegExp(`^${metric}\\{.*?queue="([^"]+)"`, 'gm'))].map((found) => found[1]!))

test('metric series are bounded however many queues there are, and add up to all runs', async () => {
  const { sql, url } = await testDatabase()
  const call = callerOf((await openNode(url)).address)
  await sql`
    insert into run_counts (project_id, queue, job_id, state, shard, n)
    select 'default', 'q' || n, gen_random_uuid(), 'queued', 0, n from generate_series(1, 500) n`
  const text = (await call('GET', '/metrics')).body as string
  const queues = queuesIn(text, 'runyard_runs')
  expect(queues.size).toBe(201)
  expect([queues.has('q500'), queues.has('q1'), queues.has('@other')]).toEqual([true, false, true])
  const counted = [...text.matchAll(/^runyard_runs\{.*\} (\d+)$/gm)].map((found) => Number(found[1]))
  expect(counted.reduce((sum, n) => sum + n, 0)).toBe((500 * 501) / 2)
})

test('the series of a queue end when its last run is gone', async () => {
  const { sql, url } = await testDatabase()
  const call = callerOf((await openNode(url)).address)
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker', queue: 'letters' })
  await call('POST', '/v1/jobs/j/runs', {})
  await call('POST', '/v1/workers/claim', { worker_id: 'w', queues: ['letters'] })
  expect((await call('GET', '/metrics')).body).toContain('runyard_queue_wait_seconds_count{queue="letters"} 1')
  await sql`delete from run_counts where queue = 'letters'`
  await until(
    async () => (await call('GET', '/metrics')).body as string,
    (text) => !text.includes('letters'),
  )
})
