// What a crash of PostgreSQL takes back, and what streams make of it.
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { createBell } from '#bell/bell.ts'
import { connect, type Sql } from '#postgres/sql.ts'
import { type Call, callerOf, KEY, openNode, until } from '../support/http-yard.ts'
import { type OwnServer, ownServer } from '../support/servers/own-server.ts'
import { type Frame, watch } from '../support/sse-client.ts'

const CRASHES = ['SIGKILL', 'SIGQUIT', 'SIGKILL', 'SIGQUIT', 'SIGKILL'] as const

/** The server tells the disk of ids that were used for nothing only once in a while: a crash has many to take back. */
const SLOW_WRITER = { wal_writer_delay: '10s' }

/** Ids of transactions that write nothing, of which a reader may hear and the disk does not. */
async function burnIds(sql: Sql, count: number): Promise<void> {
  await sql.unsafe(`do $$ begin for i in 1..${count} loop perform pg_current_xact_id(); rollback; end loop; end $$`)
}

/** All streams of the node have looked at the log since. */
async function untilLooked(sql: Sql): Promise<void> {
  const [now] = await sql<{ at: string }[]>`select clock_timestamp()::text as at`
  await until(
    () => sql`
      select from pg_stat_activity
      where application_name = 'runyard-api' and query like '%with seen as materialized%' and query_start > ${now!.at}::timestamptz`,
    (rows) => rows.length > 0,
  )
}

/** Sent again until it is answered: with its own id it is in the log once. */
async function tell(call: Call, mark: number): Promise<void> {
  const id = randomUUID()
  await until(
    () => call('POST', '/v1/events', { id, type: 'noted', data: { mark } }).catch(() => ({ status: 0 })),
    ({ status }) => status === 200 || status === 201,
    30_000,
  )
}

/** A stream that is never cut, and one whose client comes back after each crash with the id of its last frame. */
function followTwice(address: string) {
  const [open, resumed]: [Frame[], Frame[]] = [[], []]
  const follow = (frames: Frame[], lastEventId?: string) => {
    const url = `${address}/v1/events/stream?type=noted`
    const client = watch({ url, key: KEY, lastEventId, onFrame: (frame) => void frames.push(frame) })
    onTestFinished(() => client.cut())
    return client
  }
  const steady = follow(open)
  let current = follow(resumed)
  const marks = (frames: Frame[]): number[] => frames.map((frame) => JSON.parse(frame.data).data.mark)
  return {
    begun: Promise.all([steady.status, current.status]),
    marks: () => [marks(open), marks(resumed)],
    async comeBack() {
      current.cut()
      await current.ended
      current = follow(resumed, resumed.at(-1)?.id)
    },
  }
}

async function startOwn(): Promise<OwnServer> {
  const server = await ownServer(SLOW_WRITER)
  await server.start()
  return server
}

test('after five crashes of PostgreSQL, open and resumed project streams have every event once', {
  timeout: 120_000,
}, async () => {
  const server = await startOwn()
  const url = server.url()
  const node = await openNode(url)
  const call = callerOf(node.address)
  const bell = await createBell({ url, log: () => {} })
  onTestFinished(() => bell.close())
  const streams = followTwice(node.address)
  await streams.begun
  const told: number[] = []
  const tellNext = async () => {
    await tell(call, told.length)
    told.push(told.length)
  }
  const untilSeen = () =>
    until(
      async () => streams.marks(),
      (all) => all.every((marks) => marks.length >= told.length),
      30_000,
    )
  for (const signal of CRASHES) {
    for (let i = 0; i < 3; i++) await tellNext()
    await untilSeen()
    const own = connect(url, { max: 1, name: 'runyard-test' })
    await burnIds(own, 400)
    bell.ring(['tail'])
    await untilLooked(own)
    await server.crash(signal)
    await own.end({ timeout: 1 })
    await server.start()
    await streams.comeBack()
    // Fewer than the ids that the crash took back.
    for (let i = 0; i < 5; i++) await tellNext()
  }
  await untilSeen()
  expect(streams.marks()).toEqual([told, told])
})
