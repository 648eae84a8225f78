import { expect, onTestFinished, test } from 'vitest'
import { appendEvents } from '#log/append-events.sql.ts'
import { dropPartitions } from '#log/partitions.sql.ts'
import { sealNextWindow } from '#log/seals/seal-log.ts'
import { readUnsealed } from '#log/seals/sealed-events.sql.ts'
import { lockSealedLog } from '#log/seals/seals.sql.ts'
import { type Verdict, type VerifyRequest, verifyLog } from '#log/seals/verify-log.ts'
import { readLogLag } from '#log/server/lag.sql.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { testDatabase } from '../../support/db.ts'
import { until } from '../../support/http-yard.ts'
import { ACTOR, addRun, addSteps, makePast, PROJECT, prepareLog } from '../../support/log.ts'
import { sealAll } from '../../support/seal-all.ts'

const note = (sql: Sql, text: string, projectId = PROJECT) =>
  appendEvents(sql, [{ projectId, type: 'noted', actor: ACTOR, message: text, data: { text, exact: 1.1 } }])

const verify = (sql: Sql, request: Partial<VerifyRequest> = {}): Promise<Verdict> =>
  verifyLog({ reads: sql }, { projectId: PROJECT, ...request })

/** A log of three windows: events 1 and 2, event 3, events 4 and 5; between them another project's. */
async function sealedLog(): Promise<{ sql: Sql; url: string }> {
  const { sql, url } = await testDatabase()
  await prepareLog(sql)
  await prepareLog(sql, 'other')
  for (const texts of [['1', '2'], ['3'], ['4', '5']]) {
    for (const text of texts) await note(sql, text)
    await note(sql, 'x', 'other')
    await sealAll(sql)
  }
  expect(await verify(sql)).toMatchObject({ problem: null, windows: 3, events: 5, last: { number: 3 }, more: false })
  return { sql, url }
}

test.for([
  ['its message', `update events set message = 'never' where message = '3'`],
  ['a number in its data', `update events set data = jsonb_set(data::jsonb, '{exact}', '1.10') where message = '3'`],
  ['who did it', `update events set actor_id = 'k2' where message = '3'`],
  [
    'when it happened, by a microsecond',
    `update events set occurred_at = occurred_at + interval '1 microsecond' where message = '3'`,
  ],
  ['what caused it', `update events set causation_id = id where message = '3'`],
  ['its place', `update events set position = position + 1000 where message = '3'`],
])('tampering with %s of an event is detected in its window', async ([_, attack]) => {
  const { sql } = await sealedLog()
  await sql.unsafe(attack!)
  const { problem, windows } = await verify(sql)
  expect([problem?.reason.slice(0, 7), problem?.seal, windows]).toEqual(['events_', 2, 1])
  expect((await verify(sql, { projectId: 'other' })).problem).toBeNull()
})

test('a deleted event is detected', async () => {
  const { sql } = await sealedLog()
  await sql`delete from events where message = '4'`
  expect((await verify(sql)).problem).toMatchObject({
    reason: 'events_missing',
    seal: 3,
    eventsSealed: 2,
    eventsFound: 1,
  })
})

test('an event added with the transaction id of an old window is detected', async () => {
  const { sql } = await sealedLog()
  await sql`insert into events (xid, position, id, project_id, type, occurred_at, actor_type, correlation_id)
    select xid, position - 1000, gen_random_uuid(), project_id, 'forged', now(), 'system', 'c' from events where message = '3'`
  expect((await verify(sql)).problem).toMatchObject({ seal: 2, reason: 'events_differ', eventsFound: 2 })
})

test('an event added after the last seal, below the point up to which the log is sealed, is detected', async () => {
  const { sql } = await sealedLog()
  await note(sql, 'y', 'other')
  await sealAll(sql)
  await sql`insert into events (xid, position, id, project_id, type, occurred_at, actor_type, correlation_id)
    select xid, position - 1, gen_random_uuid(), ${PROJECT}, 'forged', now(), 'system', 'c' from events where message = 'y'`
  expect((await verify(sql)).problem).toMatchObject({ seal: null, reason: 'not_sealed', eventsFound: 1 })
})

test('an event added with a future transaction id, which would never be sealed, is detected', async () => {
  const { sql } = await sealedLog()
  await sql`insert into events (xid, id, project_id, type, occurred_at, actor_type, correlation_id)
    values ('99999999999', gen_random_uuid(), ${PROJECT}, 'forged', now(), 'system', 'c')`
  expect((await verify(sql)).problem).toMatchObject({ seal: null, reason: 'not_sealed', eventsFound: 1 })
  expect((await verify(sql, { projectId: 'other' })).problem).toBeNull()
})

test('two events with exchanged data are detected', async () => {
  const { sql } = await sealedLog()
  await sql`update events e set data = o.data, message = o.message from events o
    where e.message in ('4', '5') and o.message in ('4', '5') and e.message <> o.message`
  expect((await verify(sql)).problem).toMatchObject({ seal: 3, reason: 'events_differ', eventsFound: 2 })
})

test('a rewritten seal is detected, even together with its hash', async () => {
  const { sql } = await sealedLog()
  await sql`update seals set events = 7 where number = 2 and project_id = ${PROJECT}`
  await sql`update seals set sealed_at = now() where number = 2 and project_id = 'other'`
  expect((await verify(sql)).problem).toMatchObject({ seal: 2, reason: 'chain_broken' })
  expect((await verify(sql, { projectId: 'other' })).problem).toMatchObject({ seal: 2, reason: 'chain_broken' })

  // The attacker edits an event, has the log sealed again from there, and gets a seal that is right in itself.
  const again = await sealedLog()
  const [pinned] = await again.sql<{ hash: string }[]>`
    select encode(hash, 'hex') as hash from seals where number = 3 and project_id = ${PROJECT}`
  await again.sql`update events set message = 'never' where message = '3'`
  await again.sql`delete from seals where number >= 2`
  await again.sql`update sealed_log set (xid, position) = (select until_xid, until_position from seals where number = 1 limit 1)`
  await sealAll(again.sql)
  expect(await verify(again.sql)).toMatchObject({ problem: null, events: 5 })
  const pin = { number: 3, hash: pinned!.hash }
  expect((await verify(again.sql, { fromSeal: pin })).problem).toMatchObject({ seal: 3, reason: 'head_differs' })
})

test('a removed seal is detected, wherever it was', async () => {
  const { sql } = await sealedLog()
  await sql`delete from seals where number = 2 and project_id = ${PROJECT}`
  expect((await verify(sql)).problem).toMatchObject({ seal: 2, reason: 'chain_broken', message: 'Seal 2 is missing.' })
  await sql`delete from seals where number = 1 and project_id = 'other'`
  expect((await verify(sql, { projectId: 'other' })).problem).toMatchObject({ seal: 1, reason: 'chain_broken' })
  const newest = await sealedLog()
  await newest.sql`delete from seals where number = 3 and project_id = ${PROJECT}`
  expect((await verify(newest.sql)).problem).toMatchObject({ reason: 'not_sealed', eventsFound: 2 })
  const pin = { number: 3, hash: 'f'.repeat(64) }
  expect((await verify(newest.sql, { fromSeal: pin })).problem).toMatchObject({ reason: 'head_differs', seal: 3 })
})

test('windows whose events retention has deleted are reported as gone, but other missing events are not', async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await sql`create table events_20240101 partition of events for values from ('2024-01-01Z') to ('2024-01-08Z')`
  await sql`create table events_20240108 partition of events for values from ('2024-01-08Z') to ('2024-01-15Z')`
  for (const [text, day] of [
    ['1', '02'],
    ['2', '03'],
    ['3', '09'],
    ['4', '10'],
  ] as const) {
    await note(sql, text)
    await sql`update events set recorded_at = ${`2024-01-${day}T12:00:00Z`} where message = ${text}`
    if (text !== '2') await sealAll(sql)
  }
  // The second window, events 2 and 3, lies on both sides of the cut.
  expect(await verify(sql)).toMatchObject({ problem: null, windows: 3, gone: { windows: 0 } })
  await sql`drop table events_20240101`
  expect(await verify(sql)).toMatchObject({ problem: null, windows: 1, gone: { windows: 2, events: 3 } })
  await sql`delete from events where message = '4'`
  expect((await verify(sql)).problem).toMatchObject({ seal: 3, reason: 'events_missing' })
  expect(await dropPartitions(sql, 'events', 30)).toEqual(['events_20240108'])
  expect(await verify(sql)).toMatchObject({ problem: null, windows: 0, gone: { windows: 3, events: 4 } })
})

test('a verification that stops at its limit says how to continue, and a time range covers whole windows', async () => {
  const { sql } = await sealedLog()
  const [at] = await sql<{ second: Date; third: Date }[]>`
    select (select min(recorded_at) from events where message = '3') as second, (select sealed_at from seals where number = 2 limit 1) as third`
  const found: number[] = []
  let verdict = await verify(sql, { bounds: { eventsMax: 1, ms: 0 } })
  for (; verdict.more; verdict = await verify(sql, { fromSeal: verdict.last, bounds: { eventsMax: 1, ms: 0 } }))
    found.push(verdict.last.number)
  expect([found.length > 0, verdict.problem, verdict.last.number]).toEqual([true, null, 3])
  expect(await verify(sql, { to: new Date(0) })).toMatchObject({ windows: 0, problem: null })
  expect(await verify(sql, { from: new Date(Date.now() + 60_000) })).toMatchObject({ windows: 1, last: { number: 3 } })
  expect(await verify(sql, { from: new Date(at!.third.getTime() + 1) })).toMatchObject({ windows: 1, events: 2 })
})

test('nothing is missed or sealed twice while transactions of all lengths write and four sealers work', {
  timeout: 60_000,
}, async () => {
  const { sql, url } = await testDatabase()
  const run = await addRun(sql, await prepareLog(sql))
  await prepareLog(sql, 'other')
  const connections = Array.from({ length: 10 }, () => connect(url, { max: 1 }))
  onTestFinished(async () => void (await Promise.all(connections.map((own) => own.end({ timeout: 1 })))))
  let writing = true
  let sealed = 0
  let written = 0
  const write = async (own: Sql, writer: number) => {
    // However quick the server is: until windows were closed in between, and within a bound.
    for (let i = 0; i < 30 || (sealed < 6 && i < 2_000); i++) {
      written++
      await own.begin(async (tx) => {
        const projectId = i % 3 === 0 ? 'other' : PROJECT
        await tx`insert into events (id, project_id, type, occurred_at, actor_type, correlation_id, message)
          values (gen_random_uuid(), ${projectId}, 'noted', now(), 'system', 'c', ${`${writer}-${i}`})`
        if (Math.random() < 0.4) await tx`select pg_sleep(${Math.random() / 30})`
      })
    }
  }
  const sealing = connections.slice(6).map(async (own) => {
    while (writing) if ((await sealNextWindow({ sql: own }, 0)).outcome === 'sealed') sealed++
  })
  await Promise.all(connections.slice(0, 6).map(write))
  writing = false
  await Promise.all(sealing)
  expect(sealed).toBeGreaterThan(5)
  await addSteps(sql, [run])
  await sealAll(sql)
  const [mine, others] = [await verify(sql), await verify(sql, { projectId: 'other' })]
  expect([mine.problem, others.problem, mine.events + others.events]).toEqual([null, null, written + 2])
  const [{ covered } = { covered: 0 }] = await sql<{ covered: number }[]>`select sum(events)::int as covered from seals`
  expect(covered).toBe(written + 2)
})

test('what an open transaction may still write is not sealed until it has ended', async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await sql.begin(async (tx) => {
    await note(tx as unknown as Sql, 'slow')
    await note(sql, 'fast') // On another connection: commits while the first is still open.
    expect((await sealNextWindow({ sql }, 0)).outcome).toBe('waiting')
  })
  await sealAll(sql)
  expect(await verify(sql)).toMatchObject({ problem: null, events: 2, windows: 1 })
})

test('a backlog is sealed in windows of ten thousand, and a silent project once per million', {
  timeout: 60_000,
}, async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await prepareLog(sql, 'quiet')
  await note(sql, 'only', 'quiet')
  await sql`select setval('event_positions', 990000)`
  await sql`insert into events (id, project_id, type, occurred_at, actor_type, correlation_id)
    select gen_random_uuid(), ${PROJECT}, 'noted', now(), 'system', 'c' from generate_series(1, 25000)`
  await until(
    async () => (await sealNextWindow({ sql })).dueInMs ?? 0, // The last window is too young.
    (dueInMs) => dueInMs > 0,
  )
  const windows = await sql`select number, events from seals where project_id = ${PROJECT} order by number`
  expect(windows.map((it) => it.events)).toEqual([9_999, 10_000])
  const quiet = await sql`select events from seals where project_id = 'quiet' order by number`
  expect(quiet.map((it) => it.events)).toEqual([1, 0])
  expect(await verify(sql, { projectId: 'quiet' })).toMatchObject({ problem: null, windows: 2, events: 1 })
})

test('on a server whose transaction ids restart, the sealer says so and seals nothing out of order', async () => {
  const { sql } = await sealedLog()
  await sql`update sealed_log set xid = '99999999999'`
  await note(sql, '6')
  expect((await sealNextWindow({ sql }, 0)).outcome).toBe('ahead')
  // It is told by the age of what was sealed last.
  await makePast(sql)
  await sql`update events set recorded_at = recorded_at - interval '10 minutes'`
  expect((await readLogLag(sql)).sealsMs).toBeGreaterThan(590_000)
})

test('hashing takes no transaction id, so nobody waits for it', async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await note(sql, '1')
  await sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
    const sealed = await lockSealedLog(tx)
    await until(
      () => readUnsealed(tx, sealed!),
      (found) => found?.windows.length === 1,
    )
    const [own] = await tx<{ id: string | null }[]>`select pg_current_xact_id_if_assigned()::text as id`
    expect(own!.id).toBeNull()
    expect((await sealNextWindow({ sql }, 0)).outcome).toBe('busy')
  })
})
