// DATABASE_URL names two servers, of which one takes writes: a node finds it, at its start and after a failover.
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { makePair, type Pair } from '../chaos/stage/pair.ts'
import { POSTGRES_15 } from '../chaos/stage/postgres.ts'
import { type Call, callerOf, openNode, until } from '../support/http-yard.ts'
import { listen } from '../support/local-servers.ts'
import { watch } from '../support/sse-client.ts'

async function testPair(): Promise<Pair> {
  const home = await mkdtemp(join(inject('testRoot'), 'pair-'))
  await chmod(home, 0o711)
  const pair = await makePair(home)
  onTestFinished(async () => {
    await pair.stop()
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  })
  return pair
}

const metric = async (call: Call, pattern: RegExp) => pattern.exec((await call('GET', '/metrics')).body as string)?.[1]

const nameOf = (server: { port: number }) => `127.0.0.1:${server.port}`

async function completeOne(call: Call): Promise<string> {
  const { body } = await call('POST', '/v1/workers/claim', { worker_id: 'w', wait_secs: 1 })
  const [{ run, lease_token }] = body.runs
  const settled = await call('POST', '/v1/workers/settle', {
    settlements: [{ run_id: run.id, lease_token, outcome: 'completed' }],
  })
  expect(settled.body.results).toMatchObject([{ status: 'completed' }])
  return run.id
}

const hasPostgres = existsSync(join(POSTGRES_15, 'bin/pg_basebackup'))

describe.runIf(hasPostgres)('a primary with a synchronous standby', () => {
  test('a node finds the server that takes writes, follows it when the other one takes over, and loses nothing', {
    timeout: 180_000,
  }, async () => {
    const pair = await testPair()
    // The standby is named first.
    const { port: first } = pair.standby()
    const url = `postgres://runyard@127.0.0.1:${first},127.0.0.1:${pair.primary().port}/runyard`
    const { address } = await openNode(url)
    const call = callerOf(address)
    const host = () => metric(call, /^runyard_database_host\{host="(.*)"\} 1$/m)
    const moves = () => metric(call, /^runyard_database_moves_total (\d+)$/m)
    expect([await host(), await moves()]).toEqual([nameOf(pair.primary()), '0'])

    await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
    const noted: number[] = []
    const reader = watch({
      url: `${address}/v1/events/stream?type=noted`,
      key: 'test-key-of-the-operator',
      lastEventId: '0-0',
      onFrame: ({ event, data }) => void (event === 'noted' && noted.push(JSON.parse(data).data.mark)),
    })
    onTestFinished(() => reader.cut())
    await reader.status
    const note = (mark: number) => call('POST', '/v1/events', { type: 'noted', data: { mark } })
    await note(1)
    const run = (await call('POST', '/v1/jobs/j/runs', { idempotency_key: 'k' })).body

    for (const [how, mark] of [
      ['kill', 2],
      ['hang', 3],
    ] as const) {
      await pair.failOver(how)
      const reply = await until(
        () => note(mark),
        ({ status }) => status === 201,
        30_000,
      )
      expect(reply.status).toBe(201)
      expect([await host(), await moves()]).toEqual([nameOf(pair.primary()), String(mark - 1)])
      expect((await call('POST', '/v1/jobs/j/runs', { idempotency_key: 'k' })).body).toMatchObject({
        id: run.id,
        replayed: true,
      })
      // By the connection that listens, wherever it leads now.
      await until(
        async () => noted,
        (seen) => seen.length === mark,
        20_000,
      )
      if (how === 'kill') await pair.rebuild()
    }
    expect(noted).toEqual([1, 2, 3])
    expect(await completeOne(call)).toBe(run.id)
    const changes = await call('GET', '/v1/events?type=log.server_changed')
    expect(changes.body.data.map((event: { data: { change: string } }) => event.data.change)).toEqual([
      'promoted',
      'promoted',
    ])
    await until(
      () => call('GET', '/health/ready'),
      ({ status }) => status === 200,
      20_000,
    )

    // The one that was left behind comes back and takes writes again: nobody goes there.
    pair.standby().goOn()
    const old = connect(pair.standby().url('runyard'), { max: 1 })
    onTestFinished(() => old.end({ timeout: 1 }))
    await until(
      () => old<{ standby: boolean }[]>`select pg_is_in_recovery() as standby`.catch(() => []),
      ([row]) => row?.standby === false,
    )
    await pair.primary().ask(`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'runyard%'`)
    await until(
      () => note(4),
      ({ status }) => status === 201,
      20_000,
    )
    expect(await host()).toBe(nameOf(pair.primary()))
    expect(await old`select from events where type = 'noted'`).toHaveLength(2)
  })
})

describe.runIf(hasPostgres)('an asynchronous standby', () => {
  test('when it takes over without what was acknowledged, readiness, metrics and the log of each project say so', {
    timeout: 120_000,
  }, async () => {
    const pair = await testPair()
    const [primary, standby] = [pair.primary(), pair.standby()]
    await primary.ask(`alter system set synchronous_standby_names = ''`)
    await primary.ask('select pg_reload_conf()')
    const call = callerOf((await openNode(pair.url)).address)
    const losses = () => metric(call, /^runyard_failover_losses_total (\d+)$/m)
    await standby.kill()
    // The node looks at the log soon after it committed something, by a commit of its own.
    const looked = `select from pg_stat_activity where application_name = 'runyard-engine' and query like '%emit_message%'`
    await until(
      async () => {
        expect((await call('POST', '/v1/events', { type: 'noted' })).status).toBe(201)
        return primary.ask(looked)
      },
      (sessions) => sessions.length > 0,
      30_000,
    )
    expect(await losses()).toBe('0')
    await primary.kill()
    await standby.start()
    await standby.promote()
    await until(
      () => call('GET', '/health/ready'),
      ({ status }) => status === 200,
      30_000,
    )
    const { body } = await call('GET', '/health/ready')
    expect(body.checks).toContainEqual({
      name: 'failover_loss',
      ok: false,
      advisory: true,
      age_ms: expect.any(Number),
      reason: expect.stringMatching(/without the last \d+ bytes of what was acknowledged/),
    })
    expect(await losses()).toBe('1')
    const events = await call('GET', '/v1/events?type=log.truncated')
    expect(events.body.data).toMatchObject([{ data: { bytes: expect.any(Number), node: expect.any(String) } }])
    expect((await call('GET', '/v1/events?type=noted')).body.data).toEqual([])
  })
})

test('a host that is silent costs a moment, and a standby or a closed port none', { timeout: 60_000 }, async () => {
  const silent = await listen(net.createServer(), 'http')
  const admin = new URL(inject('adminUrl'))
  const hosts = [`127.0.0.1:${silent.port}`, '127.0.0.1:1', admin.host]
  const url = inject('adminUrl').replace(admin.host, hosts.join())
  const sql = connect(url, { max: 1 })
  onTestFinished(() => sql.end({ timeout: 1 }))
  const beganMs = performance.now()
  await sql`select 1`
  expect(performance.now() - beganMs).toBeLessThan(4_000)
})

test('where no host takes writes the error says of each of them why', { timeout: 60_000 }, async () => {
  const admin = new URL(inject('adminUrl'))
  const url = inject('adminUrl').replace(admin.host, `127.0.0.1:1,${admin.host}`)
  const sql = connect(`${url}?options=${encodeURIComponent('-c default_transaction_read_only=on')}`, { max: 1 })
  onTestFinished(() => sql.end({ timeout: 1 }))
  const message = new RegExp(`no host takes writes: 127.0.0.1:1: .*ECONNREFUSED.*; ${admin.host}: it is read-only`)
  await expect(sql`select 1`).rejects.toThrow(message)
})
