import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { appendEvents } from '#log/append-events.sql.ts'
import { connect, type Db, type Sql } from '#postgres/sql.ts'
import { awaitTail, testDatabase } from '#test/support/db.ts'
import { ACTOR, askedThrough, PROJECT, prepareLog } from '#test/support/log.ts'
import { type Frame, watch } from '#test/support/sse-client.ts'
import { type StreamNode, type StreamNodeOptions, startStreamNode } from '#test/support/stream-node.ts'

/** No test waits for it. */
const NEVER_MS = 3_600_000

afterEach(() => void vi.useRealTimers())

async function prepared(): Promise<{ sql: Sql; url: string }> {
  const database = await testDatabase()
  await prepareLog(database.sql)
  await prepareLog(database.sql, 'other')
  return database
}

async function openNode(options: StreamNodeOptions): Promise<StreamNode> {
  const node = await startStreamNode({ tickMs: NEVER_MS, log: () => {}, ...options })
  onTestFinished(() => node.close())
  return node
}

type Follow = { projectId?: string; query?: string; lastEventId?: string | undefined }

function follow(node: StreamNode, { projectId = PROJECT, query = '', lastEventId }: Follow = {}) {
  const frames: Frame[] = []
  const onFrame = (frame: Frame) => void frames.push(frame)
  const client = watch({ url: `${node.address}/${projectId}/tail${query}`, key: '', lastEventId, onFrame })
  onTestFinished(() => client.cut())
  return { ...client, frames, marks: () => frames.map((frame) => JSON.parse(frame.data).data.mark) }
}

const note = (sql: Db, mark: number, { projectId = PROJECT, type = 'noted' } = {}) =>
  appendEvents(sql, [{ projectId, type, actor: ACTOR, data: { mark } }])

test('a feed sends what is committed after it began, of its own project and type only', async () => {
  const { sql, url } = await prepared()
  const node = await openNode({ url })
  await note(sql, 0)
  await awaitTail(sql)
  const [all, some, other] = [
    follow(node),
    follow(node, { query: '?type=wanted' }),
    follow(node, { projectId: 'other' }),
  ]
  for (const client of [all, some, other]) await client.status
  await note(sql, 1)
  await note(sql, 2, { projectId: 'other' })
  await note(sql, 3, { type: 'wanted' })
  node.bell.ring(['tail'])
  await vi.waitFor(() => expect([all.marks(), some.marks(), other.marks()]).toEqual([[1, 3], [3], [2]]), 10_000)
  expect(JSON.parse(all.frames[0]!.data)).toMatchObject({ projectId: PROJECT, type: 'noted' })
})

test('events held back by a transaction that rings nobody are sent soon after it ends', async () => {
  const { sql, url } = await prepared()
  const node = await openNode({ url })
  const client = follow(node)
  await client.status
  await sql.begin(async (tx) => {
    await tx`select pg_current_xact_id()`
    await note(sql, 1)
    node.bell.ring(['tail'])
    await expect.poll(() => sql`select from events`).toHaveLength(1)
  })
  await vi.waitFor(() => expect(client.marks()).toEqual([1]), 10_000)
})

test('followers of several projects share their reads', async () => {
  const { sql, url } = await prepared()
  const { sql: own, asked } = askedThrough(url)
  const node = await openNode({ url, sql: own })
  const clients = Array.from({ length: 40 }, (_, i) => follow(node, { projectId: i % 2 ? 'other' : PROJECT }))
  for (const client of clients) await client.status
  const tell = async (mark: number) => {
    await note(sql, mark)
    await note(sql, mark, { projectId: 'other' })
    node.bell.ring(['tail'])
    for (const client of clients) await vi.waitFor(() => expect(client.marks().at(-1)).toBe(mark), 10_000)
  }
  // They began at places of their own, and are at the same one from their first common read on.
  await tell(1)
  asked.length = 0
  await tell(2)
  // One look, and those for which another transaction of the server held the end back.
  expect(asked.length).toBeLessThan(20)
})

test('a heartbeat advances the position, so that a client with few events does not resume at an old one', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { sql, url } = await prepared()
  const node = await openNode({ url })
  const response = await fetch(`${node.address}/${PROJECT}/tail?type=wanted`)
  let text = ''
  void (async () => {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece
  })().catch(() => {})
  await note(sql, 1)
  node.bell.ring(['tail'])
  vi.advanceTimersByTime(15_000)
  await vi.waitFor(() => expect(text).toMatch(/id: \d+-\d+\n: heartbeat\n\n/), 10_000)
  const lastEventId = /id: (\d+-\d+)\n/.exec(text)![1]
  await note(sql, 2, { type: 'wanted' })
  const resumed = follow(node, { query: '?type=wanted', lastEventId })
  await vi.waitFor(() => expect(resumed.marks()).toEqual([2]), 10_000)
})

test('clients that are cut off anywhere get every event once and in one order, while slow transactions write', {
  timeout: 60_000,
}, async () => {
  const { sql, url } = await prepared()
  const nodes = [await openNode({ url }), await openNode({ url })]
  const WRITERS = 4
  const EACH = 40
  const writers = Array.from({ length: WRITERS }, () => connect(url, { max: 1 }))
  const write = async (own: Sql, writer: number) => {
    for (let i = 0; i < EACH; i++) {
      await own.begin(async (tx) => {
        await note(tx, writer * 1_000 + i)
        if (Math.random() < 0.5) await tx`select pg_sleep(${Math.random() / 50})`
      })
      nodes[writer % 2]!.bell.ring(['tail'])
    }
  }
  const readAll = async () => {
    const marks: number[] = []
    let lastEventId = '0-0'
    while (marks.length < WRITERS * EACH) {
      const client = follow(nodes[Math.floor(Math.random() * 2)]!, { lastEventId })
      const wanted = Math.min(1 + Math.floor(Math.random() * 30), WRITERS * EACH - marks.length)
      await vi.waitFor(() => expect(client.frames.length).toBeGreaterThanOrEqual(wanted), {
        timeout: 30_000,
        interval: 3,
      })
      client.cut()
      marks.push(...client.marks())
      lastEventId = client.frames.at(-1)!.id
    }
    return marks
  }
  const reading = Promise.all(Array.from({ length: 4 }, readAll))
  await Promise.all(writers.map(write))
  const [first, ...others] = await reading
  expect(first!.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: WRITERS * EACH }, (_, i) => Math.floor(i / EACH) * 1_000 + (i % EACH)),
  )
  for (const marks of others) expect(marks).toEqual(first)
  await sql`select 1`
  await Promise.all(writers.map((own) => own.end({ timeout: 1 })))
})
