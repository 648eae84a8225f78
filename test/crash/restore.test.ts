// A log that comes to another server, by a dump, a promotion or a copy of its folder: it goes on there.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { recognizeServer } from '#log/server/recognize-server.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import type { Node } from '../../src/node.ts'
import { type Call, callerOf, KEY, openNode, until } from '../support/http-yard.ts'
import { sealAll } from '../support/seal-all.ts'
import { DEBIAN_15, type OwnServer, ownServer, pgDumpMissing } from '../support/servers/own-server.ts'
import { byCopy, byDump, type Restore } from '../support/servers/restore.ts'
import { type Frame, watch } from '../support/sse-client.ts'

const exec = promisify(execFile)

const NO_LOG = { log: { warn: () => {} } }

type Installation = { server: OwnServer; sql: Sql; node: Node; call: Call; close(): Promise<void> }

async function open(server: OwnServer): Promise<Installation> {
  const sql = connect(server.url(), { max: 2, name: 'runyard-test' })
  onTestFinished(() => sql.end({ timeout: 1 }))
  const node = await openNode(server.url())
  const close = async () => {
    await node.close()
    await sql.end({ timeout: 1 })
    await server.stop()
  }
  return { server, sql, node, call: callerOf(node.address), close }
}

/** A server that has had many transactions, as one of a real installation has. */
async function usedServer(binaries?: string): Promise<OwnServer> {
  const server = await ownServer({}, { binaries })
  await server.start()
  await burn(server)
  return server
}

async function burn(server: OwnServer): Promise<void> {
  const sql = connect(server.url(), { max: 1 })
  await sql.unsafe(`do $$ begin for i in 1..20000 loop perform pg_current_xact_id(); commit; end loop; end $$`)
  await sql.end({ timeout: 1 })
}

const note = async (call: Call, mark: number) =>
  expect((await call('POST', '/v1/events', { type: 'noted', data: { mark } })).status).toBe(201)

async function follow({ node }: Installation, lastEventId?: string) {
  const frames: Frame[] = []
  const url = `${node.address}/v1/events/stream?type=noted,log.server_changed`
  const client = watch({ url, key: KEY, lastEventId, onFrame: (frame) => void frames.push(frame) })
  onTestFinished(() => client.cut())
  await client.status
  const seen = () => frames.map(({ event, data }) => (event === 'noted' ? JSON.parse(data).data.mark : event))
  const untilSeen = (wanted: unknown[]) =>
    until(
      async () => seen(),
      (all) => all.length >= wanted.length,
      15_000,
    ).then((all) => expect(all).toEqual(wanted))
  return { untilSeen, lastId: () => frames.at(-1)!.id, cut: client.cut }
}

const claimOne = async (call: Call) =>
  (await call('POST', '/v1/workers/claim', { worker_id: 'w', lease_secs: 300 })).body.runs[0]

/** A run of each kind, a log that is sealed in part, and a reader who saw what is not in the dump. */
async function fill({ call, sql }: Installation) {
  await call('POST', '/v1/jobs', { slug: 'j', execution: 'worker' })
  const keyed = await call('POST', '/v1/jobs/j/runs', { payload: 1, idempotency_key: 'k' })
  const inFlight = await claimOne(call)
  expect(inFlight.run.id).toBe(keyed.body.id)
  const queued = await call('POST', '/v1/jobs/j/runs', { payload: 2 })
  await note(call, 0)
  await sealAll(sql)
  const head = (await call('GET', '/v1/events/seals/head')).body.seal
  await note(call, 1)
  return { keyed: keyed.body, inFlight, queued: queued.body, head }
}

async function expectProof(call: Call, sql: Sql, head: { number: number; hash: string }): Promise<void> {
  await sealAll(sql)
  const whole = await call('GET', '/v1/events/verify')
  expect(whole.body).toMatchObject({ first_problem: null })
  const since = await call('GET', `/v1/events/verify?from_seal=${head.number}&expect=${head.hash}`)
  expect(since.body).toMatchObject({ first_problem: null })
  const [left] = await sql<{ n: number }[]>`
    select count(*)::int as n from events, sealed_log s where (events.xid, events.position) > (s.xid, s.position)`
  expect(left!.n).toBe(0)
}

async function expectGoesOnAfterRestore(way: Restore, binaries?: string): Promise<void> {
  const first = await open(await usedServer(binaries))
  const { keyed, inFlight, queued, head } = await fill(first)
  const target = await ownServer({}, { binaries })
  await target.start()
  const reader = await follow(first, '0-0')
  await reader.untilSeen([0, 1])
  const { restore } = await way(first.server, target)
  await note(first.call, 2)
  await reader.untilSeen([0, 1, 2])
  reader.cut()
  await first.close()
  await restore()

  const second = await open(target)
  const { call, sql } = second
  for (const mark of [3, 4]) await note(call, mark)
  await (await follow(second, reader.lastId())).untilSeen(['log.server_changed', 3, 4])
  await (await follow(second, '0-0')).untilSeen([0, 1, 'log.server_changed', 3, 4])

  const settled = await call('POST', '/v1/workers/settle', {
    settlements: [{ run_id: inFlight.run.id, lease_token: inFlight.lease_token, outcome: 'completed' }],
  })
  expect(settled.body.results).toMatchObject([{ status: 'completed' }])
  const again = await call('POST', '/v1/jobs/j/runs', { payload: 1, idempotency_key: 'k' })
  expect(again.body).toMatchObject({ id: keyed.id, replayed: true })
  expect((await claimOne(call)).run.id).toBe(queued.id)
  await expectProof(call, sql, head)
  const ready = await call('GET', '/health/ready')
  expect([ready.status, ready.body.checks.filter((it: { ok: boolean }) => !it.ok)]).toEqual([200, []])
  const found = await call('GET', '/v1/events?type=log.server_changed')
  expect(found.body.data).toMatchObject([{ data: { change: 'moved', last_position: expect.any(Number) } }])

  // Another start knows the server.
  await openNode(target.url())
  expect(await sql`select number from log_servers`).toHaveLength(2)
}

test(
  'a database that is copied to a server with lower transaction ids can be sealed, streamed and verified there',
  {
    timeout: 120_000,
  },
  () => expectGoesOnAfterRestore(byCopy),
)

test.skipIf(pgDumpMissing)(
  'a database that pg_dump and pg_restore move to another server can be sealed, streamed and verified there',
  { timeout: 120_000 },
  () => expectGoesOnAfterRestore(byDump, DEBIAN_15),
)

/** The server as it was a while ago, by a copy of its folder. Readers saw what came since. */
async function copiedServer() {
  const first = await open(await usedServer())
  const { head } = await fill(first)
  await first.close()
  const copy = `${first.server.folder}-copy`
  await exec('cp', ['-a', first.server.folder, copy])
  await first.server.start()
  await burn(first.server)
  const later = await open(first.server)
  const reader = await follow(later, '0-0')
  for (const mark of [2, 3]) await note(later.call, mark)
  await reader.untilSeen([0, 1, 2, 3])
  reader.cut()
  await later.close()
  return { copy, head, lastId: reader.lastId() }
}

async function promotionOf(server: OwnServer): Promise<void> {
  const sql = connect(server.url(), { max: 1 })
  await until(
    () => sql<{ recovers: boolean }[]>`select pg_is_in_recovery() as recovers`,
    ([row]) => !row!.recovers,
    30_000,
  )
  await sql.end({ timeout: 1 })
}

test('after a failover to a server that lagged, resumed streams get every new event', {
  timeout: 120_000,
}, async () => {
  const { copy, head, lastId } = await copiedServer()
  await writeFile(join(copy, 'recovery.signal'), '')
  const replica = await ownServer({ restore_command: 'false' }, { folder: copy })
  await replica.start()
  await promotionOf(replica)
  const promoted = await open(replica)
  for (const mark of [4, 5]) await note(promoted.call, mark)
  await (await follow(promoted, lastId)).untilSeen(['log.server_changed', 4, 5])
  await (await follow(promoted, '0-0')).untilSeen([0, 1, 'log.server_changed', 4, 5])
  await expectProof(promoted.call, promoted.sql, head)
})

test('after an operator restores a copy of the folder with --restored, resumed streams get every new event', {
  timeout: 120_000,
}, async () => {
  const { copy, head, lastId } = await copiedServer()
  const server = await ownServer({}, { folder: copy })
  await server.start()
  const sql = connect(server.url(), { max: 1 })
  await recognizeServer(sql, { ...NO_LOG, restored: 'restored' })
  await sql.end({ timeout: 1 })
  const back = await open(server)
  for (const mark of [4, 5]) await note(back.call, mark)
  await (await follow(back, lastId)).untilSeen(['log.server_changed', 4, 5])
  await expectProof(back.call, back.sql, head)
})

test('a server that is restarted or crashes is still the same server', { timeout: 60_000 }, async () => {
  const server = await usedServer()
  for (const end of ['SIGKILL', 'SIGQUIT', 'stop'] as const) {
    const { node, sql } = await open(server)
    expect(await sql`select base::int from log_servers`).toMatchObject([{ base: 0 }])
    expect(await sql`select from events where type = 'log.server_changed'`).toHaveLength(0)
    await node.close()
    await sql.end({ timeout: 1 })
    await (end === 'stop' ? server.stop() : server.crash(end))
    await server.start()
  }
})
