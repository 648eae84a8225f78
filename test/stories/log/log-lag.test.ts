// A transaction that is none of ours stays open, and what waits for it is told.
import { expect, onTestFinished, test } from 'vitest'
import { logWatch } from '#log/server/log-watch.duty.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { type Call, callerOf, openNode, until } from '../../support/http-yard.ts'
import { makePast } from '../../support/log.ts'
import { ownServer } from '../../support/servers/own-server.ts'

type Line = { level: string; message: string; fields: Record<string, unknown> }

/** The duty, with what it says. */
function watchOf(sql: Sql) {
  const lines: Line[] = []
  const level = (name: string) => (fields: Record<string, unknown> | string, message?: string) =>
    void lines.push(
      typeof fields === 'string'
        ? { level: name, message: fields, fields: {} }
        : { level: name, message: message!, fields },
    )
  const log = { info: level('info'), warn: level('warn'), error: level('error') }
  // biome-ignore lint/suspicious/noExplicitAny: of all that a duty is given this one takes two.
  return { lines, duty: logWatch({ sql, log } as any) }
}

const checksOf = async (call: Call) => {
  const { status, body } = await call('GET', '/health/ready')
  const named = (name: string) => body.checks.find((check: { name: string }) => check.name === name)
  return { status, tail: named('tail'), seals: named('seals') }
}

const gaugeOf = async (call: Call, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await call('GET', '/metrics')).body)![1])

/** An event of a minute ago, so that nobody has to wait for one to be so old. */
const addOld = (sql: Sql, age: string) => sql`
  insert into events (id, project_id, type, occurred_at, recorded_at, actor_type, correlation_id)
  values (gen_random_uuid(), 'default', 'noted', now(), clock_timestamp() - ${age}::text::interval, 'system', 'c')`

test("another client's open transaction is reported in readiness, metrics and log, and the log names its session", {
  timeout: 60_000,
}, async () => {
  const server = await ownServer()
  await server.start()
  const call = callerOf((await openNode(server.url())).address)
  const sql = connect(server.url(), { max: 2, name: 'runyard-test' })
  const stranger = connect(server.url('template1'), { max: 1, name: 'a report' })
  onTestFinished(async () => void (await Promise.all([sql.end({ timeout: 1 }), stranger.end({ timeout: 1 })])))
  await makePast(sql)
  const { lines, duty } = watchOf(sql)
  const signal = new AbortController().signal

  const session = await stranger.reserve()
  await session.unsafe('begin')
  const [own] = await session<{ pid: number }[]>`select pg_backend_pid() as pid, pg_current_xact_id()`
  await addOld(sql, '50 seconds')
  await duty.tick(signal)
  await duty.tick(signal)
  const stall = lines.filter((line) => line.level === 'warn')
  expect(stall).toHaveLength(1)
  expect(stall[0]).toMatchObject({
    fields: { session: { pid: own!.pid, application: 'a report', database: 'template1' } },
  })
  expect(stall[0]!.message).toContain(`select pg_terminate_backend(${own!.pid})`)
  expect(await gaugeOf(call, 'runyard_log_tail_lag_seconds')).toBeGreaterThan(45)
  expect(await checksOf(call)).toMatchObject({ status: 200, tail: { ok: false, advisory: true }, seals: { ok: true } })

  await session.unsafe('rollback')
  session.release()
  await until(
    () => checksOf(call),
    ({ tail }) => tail.ok,
  )
  await duty.tick(signal)
  expect(lines.at(-1)!.message).toBe('project feeds are moving again')
})

test('a log that is no longer being sealed is reported, and takes no node out of service', {
  timeout: 60_000,
}, async () => {
  const server = await ownServer()
  await server.start()
  const call = callerOf((await openNode(server.url(), { RUNYARD_ROLES: 'api' })).address)
  const sql = connect(server.url(), { max: 2, name: 'runyard-test' })
  onTestFinished(() => sql.end({ timeout: 1 }))
  await makePast(sql)
  const { lines, duty } = watchOf(sql)
  await addOld(sql, '10 minutes')
  await duty.tick(new AbortController().signal)
  expect(lines.map((line) => line.message)).toEqual(['the log is no longer being sealed; see docs/seals.md'])
  expect(await checksOf(call)).toMatchObject({ status: 200, seals: { ok: false, advisory: true } })
  expect(await gaugeOf(call, 'runyard_log_seal_lag_seconds')).toBeGreaterThan(590)
})
