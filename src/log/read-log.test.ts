import { describe, expect, test } from 'vitest'
import { Json } from '#core/json/json.ts'
import { newId } from '#postgres/id.ts'
import { connect } from '#postgres/sql.ts'
import { suiteDatabase } from '#test/support/db.ts'
import {
  ACTOR,
  addChunks,
  addRun,
  addSteps,
  type LogRun,
  lastSequenceOf,
  prepareLog,
  startRun,
} from '#test/support/log.ts'
import { appendEvents } from './append-events.sql.ts'
import { type RunLogRow, readLastSequences, readRunHead, readRunLog } from './read-log.sql.ts'

const { sql, url } = await suiteDatabase()
const jobId = await prepareLog(sql)

type Options = Partial<Omit<Parameters<typeof readRunLog>[1], 'runId' | 'runCreatedAt'>>
const read = (run: LogRun, options: Options = {}) =>
  readRunLog(sql, {
    runId: run.runId,
    runCreatedAt: run.createdAt,
    afterSequence: 0,
    limit: 200,
    deltas: true,
    ...options,
  })

const sequences = (rows: readonly RunLogRow[] | undefined) => rows?.map((row) => row.sequence)

describe('the log of one run', () => {
  test("a run's log has events and deltas in order of their sequence, or only the events", async () => {
    const run = await addRun(sql, jobId)
    await addChunks(sql, run.runId, ['a', 'b'])
    await addSteps(sql, [run])
    await addChunks(sql, run.runId, ['c'])
    const all = await read(run)
    expect(all?.rows.map((row) => [row.sequence, row.type])).toEqual([
      [1, 'run.created'],
      [2, 'stream.chunk'],
      [3, 'stream.chunk'],
      [4, 'step.done'],
      [5, 'stream.chunk'],
    ])
    expect(all).toMatchObject({ more: false, lastSequence: 5, state: 'queued' })
    const events = await read(run, { deltas: false })
    expect(sequences(events?.rows)).toEqual([1, 4])
    expect(events).toMatchObject({ more: false, lastSequence: 5 })
  })

  test("a run's log continues after a sequence, in pages that say whether there is more", async () => {
    const run = await addRun(sql, jobId)
    await addSteps(sql, [run, run, run])
    const first = await read(run, { limit: 2 })
    expect([sequences(first?.rows), first?.more]).toEqual([[1, 2], true])
    const second = await read(run, { limit: 3, afterSequence: 2 })
    expect([sequences(second?.rows), second?.more]).toEqual([[3, 4], false])
    const nothing = await read(run, { afterSequence: 4 })
    expect([sequences(nothing?.rows), nothing?.more, nothing?.lastSequence]).toEqual([[], false, 4])
  })

  test("every event of a run's log says what it is about: the run, or what the event names", async () => {
    const run = await addRun(sql, jobId, { correlationId: 'chain', agentId: 'agent-1' })
    const causationId = newId()
    const { runId, projectId } = run
    await appendEvents(sql, [
      {
        projectId,
        runId,
        type: 'tool.called',
        actor: { type: 'worker', id: 'w1' },
        causationId,
        step: 'plan',
        tool: 'search',
        reqId: 'req',
        level: 'warn',
        status: 'ok',
        message: 'found',
        durationMs: 1.5,
        occurredAt: new Date('2026-01-02T03:04:05.678Z'),
        data: { nested: [1, 'zwei'] },
      },
      { projectId, runId, type: 'file.written', actor: ACTOR, resourceType: 'file', resourceId: 'f1' },
    ])
    const [created, called, written] = (await read(run))!.rows
    expect(created).toMatchObject({
      resourceType: 'run',
      resourceId: runId,
      runId,
      runUuid: runId,
      actorType: ACTOR.type,
    })
    expect(called).toMatchObject({
      projectId,
      type: 'tool.called',
      occurredAt: new Date('2026-01-02T03:04:05.678Z'),
      actorType: 'worker',
      actorId: 'w1',
      resourceType: 'run',
      resourceId: runId,
      correlationId: 'chain',
      causationId,
      runId,
      sequence: 2,
      attempt: 1,
      step: 'plan',
      tool: 'search',
      agentId: 'agent-1',
      reqId: 'req',
      leaseId: null,
      level: 'warn',
      status: 'ok',
      message: 'found',
      durationMs: 1.5,
    })
    expect(Json.of(called!.data).text).toBe('{"nested":[1,"zwei"]}')
    expect(written).toMatchObject({ resourceType: 'file', resourceId: 'f1', runId })
    expect(Object.keys(called!)).not.toContain('foundCount')
  })

  test("a run's log names an external run by its client's own id, in events and in deltas", async () => {
    const run = await addRun(sql, jobId)
    await sql`update runs set client_id = 'order/7' where id = ${run.runId}`
    await addSteps(sql, [run])
    await addChunks(sql, run.runId, ['a'])
    const rows = (await read(run, { afterSequence: 1 }))!.rows
    expect(rows).toMatchObject([
      { runId: 'order/7', resourceId: 'order/7', runUuid: run.runId },
      { runId: 'order/7', runUuid: run.runId, position: null, resourceId: null },
    ])
  })

  test("a page of a run's log is limited in bytes, and has at least one row however large", async () => {
    const run = await addRun(sql, jobId)
    // Text that packs well and text that does not: what counts is what a reader gets.
    const packed = { text: 'x'.repeat(60_000) }
    const random = { text: Array.from({ length: 6_000 }, () => Math.random().toString(36).slice(2, 12)).join('') }
    for (const data of [packed, random, packed, random]) await addSteps(sql, [run], data)
    expect(sequences((await read(run, { bytesMax: 1 }))?.rows)).toEqual([1])
    expect(sequences((await read(run, { bytesMax: 1, afterSequence: 1 }))?.rows)).toEqual([2])
    const page = await read(run, { bytesMax: 130_000, afterSequence: 1 })
    expect([sequences(page?.rows), page?.more]).toEqual([[2, 3, 4], true])
    const rest = await read(run, { bytesMax: 130_000, afterSequence: 4 })
    expect([sequences(rest?.rows), rest?.more]).toEqual([[5], false])
  })

  test('the log of a deleted run is undefined', async () => {
    expect(await read({ runId: newId(), projectId: 'default', createdAt: new Date() })).toBeUndefined()
  })
})

test('the head of a run is visible to its own project only', async () => {
  const run = await addRun(sql, jobId)
  expect(await readRunHead(sql, run.projectId, run.runId)).toEqual({
    state: 'queued',
    lastSequence: 1,
    createdAt: run.createdAt,
  })
  expect(await readRunHead(sql, 'other', run.runId)).toBeUndefined()
})

test('last sequences are read for many runs at once, without those of deleted runs', async () => {
  const [one, two] = [await addRun(sql, jobId), await addRun(sql, jobId)]
  await addSteps(sql, [two, two])
  const last = await readLastSequences(sql, [one.runId, two.runId, newId()])
  expect([...last].sort()).toEqual([[one.runId, 1] as const, [two.runId, 3] as const].sort())
})

test('with writers on many connections, readers that resume anywhere get every sequence once and in order', {
  timeout: 60_000,
}, async () => {
  const ownJob = await prepareLog(sql)
  const run = await addRun(sql, ownJob)
  await startRun(sql, ownJob)
  const writers = Array.from({ length: 4 }, () => connect(url, { max: 2 }))
  let writing = true
  const write = async (own: (typeof writers)[number]) => {
    for (let round = 0; round < 40; round++) {
      const dice = Math.random()
      if (dice < 0.3) await addChunks(own, run.runId, ['x', 'y', 'z'])
      else if (dice < 0.5) {
        // A transaction that stays open after it has its number: nobody may overtake it.
        await own.begin(async (tx) => {
          await addSteps(tx as unknown as typeof own, [run])
          await tx`select pg_sleep(${Math.random() / 100})`
        })
      } else
        await addSteps(
          own,
          Array.from({ length: 1 + Math.floor(Math.random() * 5) }, () => run),
        )
    }
  }
  const readAll = async () => {
    const seen: number[] = []
    for (let isLast = false; !isLast; ) {
      isLast = !writing
      for (let more = true; more; ) {
        const page = (await read(run, { afterSequence: seen.at(-1) ?? 0, limit: 1 + Math.floor(Math.random() * 20) }))!
        // A reader that was cut off kept a part of the page.
        const kept = page.rows.slice(0, Math.random() < 0.3 ? Math.ceil(page.rows.length / 2) : undefined)
        seen.push(...kept.map((row) => row.sequence!))
        more = page.more || kept.length < page.rows.length
      }
    }
    return seen
  }
  const reading = Promise.all(Array.from({ length: 5 }, readAll))
  await Promise.all(writers.map(write))
  writing = false
  const last = await lastSequenceOf(sql, run)
  const every = Array.from({ length: last }, (_, i) => i + 1)
  for (const seen of await reading) expect(seen).toEqual(every)
  await Promise.all(writers.map((own) => own.end({ timeout: 1 })))
})
