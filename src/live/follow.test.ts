import { expect, onTestFinished, test } from 'vitest'
import { hangBell, TOPIC } from '#storage/bell.ts'
import { listenTo } from '#storage/listening.ts'
import { readRunLog } from '#storage/read-log.ts'
import type { Sql } from '#storage/sql.ts'
import { readTail, type TailCursor } from '#storage/tail.ts'
import { testDatabase } from '#test/db.ts'
import { addRun, addSteps, lastSequenceOf, moveRun, prepareLog } from '#test/log.ts'
import { follow } from './follow.ts'

test('the feed never skips the event of a slow transaction', async ({ signal }) => {
  const { sql, url } = await testDatabase()
  const jobId = await prepareLog(sql)
  const [slow, fast] = [await addRun(sql, jobId), await addRun(sql, jobId)]
  const bell = await hangBell({ url, log: () => {} })
  onTestFinished(() => bell.close())
  const read = async (after: TailCursor) => {
    const { events, next, more, held } = await readTail(sql, { after, limit: 100 })
    return { rows: events.filter((event) => event.type === 'run.canceled'), next, more, over: false, held }
  }
  const feed = follow(read, () => listenTo(bell)([TOPIC.tail]), { xid: '0', position: 0 }, signal)
  await sql.begin(async (tx) => {
    await moveRun(tx as unknown as Sql, slow.runId, 'cancel')
    await moveRun(sql, fast.runId, 'cancel') // On another connection: commits while the other is still open.
    bell.ring([TOPIC.tail])
    expect((await read({ xid: '0', position: 0 })).rows).toEqual([])
  })
  bell.ring([TOPIC.tail])
  const order = [(await feed.next()).value?.runId, (await feed.next()).value?.runId]
  expect(order).toEqual([slow.runId, fast.runId])
})

test("one run's log ends for its follower when the run is over", async ({ signal }) => {
  const { sql, url } = await testDatabase()
  const run = await addRun(sql, await prepareLog(sql))
  const bell = await hangBell({ url, log: () => {} })
  onTestFinished(() => bell.close())
  const read = async (afterSequence: number) => {
    const { rows, more, state } = (await readRunLog(sql, {
      runId: run.runId,
      runCreatedAt: run.createdAt,
      afterSequence,
      limit: 2,
      deltas: true,
    }))!
    return { rows, next: rows.at(-1)?.sequence ?? afterSequence, more, over: state === 'canceled' }
  }
  const log = follow(read, () => listenTo(bell)([TOPIC.run(run.runId)]), 0, signal)
  const seen = (async () => {
    const sequences: (number | null)[] = []
    for await (const row of log) sequences.push(row.sequence)
    return sequences
  })()
  for (let i = 0; i < 10; i++) {
    await addSteps(sql, [run])
    bell.ring([TOPIC.run(run.runId)])
  }
  await moveRun(sql, run.runId, 'cancel')
  bell.ring([TOPIC.run(run.runId)])
  expect(await seen).toEqual(Array.from({ length: await lastSequenceOf(sql, run) }, (_, i) => i + 1))
})
