import { pino } from 'pino'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { triggerRun } from '#runs/trigger/trigger-runs.ts'
import { addJob, ageRuns, TESTER, testYard, type Yard } from '#test/support/yard.ts'
import { deleteOldRuns } from '#upkeep/retention.sql.ts'
import { listDispatches } from './dispatches.sql.ts'
import { DISPATCHES_MAX, type Dispatched, dispatchOf, HEADER_BYTES_MAX, recordDispatch } from './record-dispatch.ts'

const timings = { connectMs: 1, ttfbMs: 2, transferMs: 3, totalMs: 7 }
const dispatched = (runId: string, more: Partial<Dispatched> = {}): Dispatched => ({
  run: { runId, attempt: 1, queueWaitMs: 5 } as Dispatched['run'],
  owner: 'node-1',
  url: 'http://example.com/',
  headers: { 'content-type': 'application/json' },
  body: '{"ü":1}',
  outcome: { kind: 'failed', reason: 'reset', message: 'it broke off', timings },
  trace: { dequeue_ms: 4, connect_ms: 1 },
  ...more,
})

async function run({ ctx }: Yard): Promise<string> {
  await addJob(ctx, 'job')
  const origin = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' } as const
  return (await triggerRun(ctx, 'job', {}, origin)).run.id
}

test('the latest dispatches of a run are kept, and are deleted with the run', async () => {
  const yard = await testYard()
  const { ctx, sql } = yard
  const runId = await run(yard)
  for (let attempt = 1; attempt <= DISPATCHES_MAX + 3; attempt++) {
    const { run: claimed, ...rest } = dispatched(runId)
    await recordDispatch(ctx, { ...rest, run: { ...claimed, attempt } })
  }
  const kept = await listDispatches(sql, runId)
  expect(kept.map((it) => it.attempt)).toEqual(Array.from({ length: DISPATCHES_MAX }, (_, index) => index + 4))
  expect(kept[0]).toMatchObject({ error: 'it broke off', errorCode: 'reset', status: null, requestBytes: 8 })
  expect(kept[0]!.trace).toEqual({ queue_wait_ms: 5, dequeue_ms: 4, connect_ms: 1, total_ms: 16 })
  await sql`update run_states set state = 'completed', finished_at = now()`
  await ageRuns(sql, 2)
  expect(await deleteOldRuns(sql, 1, 10)).toBe(1)
  expect(await listDispatches(sql, runId)).toEqual([])
  // A call may outlive its run: nothing is left behind that nobody would ever delete.
  await recordDispatch(ctx, dispatched(runId))
  expect(await listDispatches(sql, runId)).toEqual([])
})

test('a dispatch record that cannot be written is only a warning in the log', async () => {
  const { url } = await testYard()
  const gone = connect(url)
  await gone.end()
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(line) })
  await recordDispatch({ sql: gone, log }, dispatched('018f0000-0000-7000-8000-000000000000'))
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('a dispatch could not be recorded')
})

test('recorded headers are bounded: a header that is too large is truncated and does not hide the others', () => {
  const headers = {
    'x-large': 'é'.repeat(HEADER_BYTES_MAX),
    'x-small': 'small',
    'x-larger': 'y'.repeat(HEADER_BYTES_MAX * 2),
  }
  const { requestHeaders } = dispatchOf(dispatched('a-run', { headers }))
  expect(Buffer.byteLength(JSON.stringify(requestHeaders))).toBeLessThan(HEADER_BYTES_MAX + 100)
  expect(requestHeaders['x-small']).toBe('small')
  expect(requestHeaders['x-large']).toMatch(/^é+.?… \(cut\)$/)
})

test('characters that the database cannot store are replaced, and a repeated secret is masked', () => {
  const it = dispatchOf(
    dispatched('a-run', {
      headers: { 'X-Run-Token': 'the-token-of-it' },
      outcome: { kind: 'failed', reason: 'malformed', message: 'bad \u0000 byte near the-token-of-it', timings },
    }),
  )
  expect(it).toMatchObject({ error: 'bad \ufffd byte near ********', requestHeaders: { 'X-Run-Token': '********' } })
})
