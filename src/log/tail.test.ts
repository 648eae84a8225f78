import { expect, test, vi } from 'vitest'
import { Json } from '#core/json/json.ts'
import { connect, type Db, type Sql } from '#postgres/sql.ts'
import { awaitTail, testDatabase } from '#test/support/db.ts'
import { ACTOR, addRun, addSteps, PROJECT, prepareLog } from '#test/support/log.ts'
import { appendEvents } from './append-events.sql.ts'
import { readTail, readTailEnd, type TailCursor, type TailPage } from './tail.sql.ts'

const marksOf = (page: { events: readonly { data: unknown }[] }) => page.events.map(({ data }) => Json.of(data).value)

const BEGINNING: TailCursor = { xid: '0', position: 0 }

const note = (sql: Db, mark: number, projectId = PROJECT) =>
  appendEvents(sql, [{ projectId, type: 'noted', actor: ACTOR, data: { mark } }])

/** Any transaction on the server, and other tests have theirs, may hold the end of the tail back for a moment. */
async function readAll(sql: Db, read: Parameters<typeof readTail>[1]): Promise<TailPage> {
  return vi.waitFor(async () => {
    const page = await readTail(sql, read)
    expect(page.held && !page.more).toBe(false)
    return page
  }, 10_000)
}

/** Reads until nothing is left; the marks in the order that they came in. */
async function readMarks(sql: Db, projectId = PROJECT, limit = 100): Promise<{ marks: unknown[]; pages: number }> {
  const marks: unknown[] = []
  let pages = 0
  for (let after = BEGINNING, more = true; more; pages++) {
    const page = await readAll(sql, { after, projectIds: [projectId], limit, scanMax: 10 })
    marks.push(...page.events.map((event) => (event.data!.value as { mark: number }).mark))
    after = page.next
    more = page.more
  }
  return { marks, pages }
}

test('the tail never skips the event of a slow transaction, and says that something is held back', async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await sql.begin(async (tx) => {
    await note(tx, 1)
    await note(sql, 2) // On another connection: commits while the first is still open.
    expect(await readTail(sql, { after: BEGINNING, limit: 100 })).toMatchObject({ events: [], more: false, held: true })
  })
  const read = await readAll(sql, { after: BEGINNING, limit: 100 })
  expect([marksOf(read), read.held]).toEqual([[{ mark: 1 }, { mark: 2 }], false])
})

test("a page of the tail ends at its limit, and the reader of a quiet project passes a busy one's events in pages too", async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await prepareLog(sql, 'quiet')
  for (let i = 0; i < 30; i++) await note(sql, i)
  await note(sql, 30, 'quiet')
  expect(await readMarks(sql, PROJECT, 7)).toMatchObject({ marks: Array.from({ length: 30 }, (_, i) => i) })
  expect(await readMarks(sql, 'quiet')).toEqual({ marks: [30], pages: 4 })
})

test('a page of the tail is limited in bytes, and has at least one event', async () => {
  const { sql } = await testDatabase()
  const run = await addRun(sql, await prepareLog(sql))
  await awaitTail(sql)
  const end = await readTailEnd(sql)
  for (let i = 0; i < 3; i++) await addSteps(sql, [run], { text: 'x'.repeat(50_000) })
  const one = await readAll(sql, { after: end, limit: 10, bytesMax: 1 })
  expect([one.events.map((event) => event.sequence), one.more]).toEqual([[2], true])
  const two = await readAll(sql, { after: one.next, limit: 10, bytesMax: 60_000 })
  expect([two.events.map((event) => event.sequence), two.more]).toEqual([[3, 4], false])
})

test('a reader that starts at the end gets only new events', async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await note(sql, 1)
  await awaitTail(sql)
  const after = await readTailEnd(sql)
  await note(sql, 2)
  expect(marksOf(await readAll(sql, { after, limit: 10 }))).toEqual([{ mark: 2 }])
})

test("a reader's position is that of an event, however many transaction ids were used for other things", async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  expect(await readTailEnd(sql)).toMatchObject({ xid: '0', position: 0 })
  await note(sql, 1)
  const { events, next } = await readAll(sql, { after: BEGINNING, limit: 10 })
  const { xid, position } = events[0]!
  for (let i = 0; i < 5; i++) await sql`select pg_current_xact_id()`
  await awaitTail(sql)
  expect(next).toMatchObject({ xid, position })
  expect(await readTailEnd(sql)).toMatchObject({ xid, position })
  expect((await readAll(sql, { after: next, limit: 10 })).next).toMatchObject({ xid, position })
})

test('a position that the log has lost, by a failover or a restored copy, is reset to the end', async () => {
  const { sql } = await testDatabase()
  await prepareLog(sql)
  await note(sql, 1)
  const end = await vi.waitFor(async () => {
    const found = await readTailEnd(sql)
    expect(found.position).toBeGreaterThan(0)
    return found
  }, 10_000)
  const lost = { xid: String(BigInt(end.xid) + 1_000_000n), position: end.position + 5 }
  const { next, events } = await readAll(sql, { after: lost, limit: 10 })
  expect([events, next.xid, next.position]).toEqual([[], end.xid, end.position])
  await note(sql, 2)
  expect(marksOf(await readAll(sql, { after: next, limit: 10 }))).toEqual([{ mark: 2 }])
})

test('with transactions of all lengths on many connections, every event is read once, in a stable order', {
  timeout: 60_000,
}, async () => {
  const { sql, url } = await testDatabase()
  await prepareLog(sql)
  const writers = Array.from({ length: 6 }, () => connect(url, { max: 1 }))
  let writing = true
  const write = async (own: Sql, writer: number) => {
    for (let i = 0; i < 40; i++) {
      await own.begin(async (tx) => {
        await note(tx, writer * 1_000 + i)
        if (Math.random() < 0.5) await tx`select pg_sleep(${Math.random() / 50})`
      })
    }
  }
  const follow = async () => {
    const marks: unknown[] = []
    let after = BEGINNING
    for (let isLast = false; !isLast; ) {
      isLast = !writing
      for (let more = true; more; ) {
        const page = await readAll(sql, { after, limit: 1 + Math.floor(Math.random() * 10) })
        marks.push(...page.events.map((event) => (event.data!.value as { mark: number }).mark))
        after = page.next
        more = page.more
      }
    }
    return marks
  }
  const following = Promise.all([follow(), follow()])
  await Promise.all(writers.map(write))
  writing = false
  const [first, second] = await following
  expect(first).toEqual((await readMarks(sql)).marks)
  expect(second).toEqual(first)
  expect(new Set(first).size).toBe(240)
  expect(first).toHaveLength(240)
  await Promise.all(writers.map((own) => own.end({ timeout: 1 })))
})
