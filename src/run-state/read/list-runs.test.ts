// That a list holds what its filters say, whole and by pages, and that labels follow their runs.

import { cp, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, inject, test } from 'vitest'
import type { RunMove, RunState } from '#core/run.ts'
import { newId } from '#postgres/id.ts'
import { MIGRATIONS_DIR, migrate } from '#postgres/migrate.ts'
import { emptyDatabase, suiteDatabase, testDatabase } from '#test/support/db.ts'
import { ACTOR, addRun, PROJECT, prepareLog } from '#test/support/log.ts'
import { ageRuns } from '#test/support/yard.ts'
import { deleteOldRuns } from '#upkeep/retention.sql.ts'
import { claimRuns, seatsFor } from '../claim/claim-runs.sql.ts'
import { insertRuns, type NewRun } from '../insert/insert-runs.sql.ts'
import { moveRuns } from '../move/move-runs.sql.ts'
import { mergeMetadata } from '../run-marks.sql.ts'
import { listRuns, listRunsPage, type RunFilter, type RunPlace } from './list-runs.sql.ts'
import type { RunRow } from './read-runs.sql.ts'

const { sql } = await suiteDatabase()
const jobs = [await prepareLog(sql), await prepareLog(sql)]
await prepareLog(sql, 'other')

const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(Math.random() * values.length)]!
const STATES: RunState[] = ['delayed', 'queued', 'dequeued', 'executing', 'paused', 'completed', 'failed', 'canceled']
const BATCH = newId()
const PARENT = newId()
/** Of two such values only the end differs, which no index of labels keeps. */
const LONG = ['x'.repeat(1023).concat('a'), 'x'.repeat(1023).concat('b')]

// Few different values, so that filters meet; and inserted at once, so that many are of the same millisecond.
const inserted = Array.from({ length: 300 }, (): NewRun => {
  const some = <Value>(value: Value) => (Math.random() < 0.5 ? value : undefined)
  return {
    id: newId(),
    projectId: PROJECT,
    jobId: pick(jobs),
    jobVersion: 1,
    actor: ACTOR,
    correlationId: pick(['chain-0', 'chain-1']),
    triggeredBy: pick(['manual', 'cron', 'replay']),
    payload: some({ n: pick([1, 2, 3]), list: [pick(['a', 'b'])] }),
    rank: 0,
    timeoutSecs: 300,
    maxAttempts: 3,
    tags: pick([{}, { env: 'prod' }, { env: 'dev', team: 'a' }, { team: 'b' }]),
    metadata: pick([{}, { env: 'prod' }, { note: LONG[0]! }, { note: LONG[1]! }]),
    batchId: some(BATCH),
    agentId: pick([undefined, 'agent-0', 'agent-1']),
    parentRunId: some(PARENT),
    queue: pick(['default', 'often', 'rare']),
  }
})
for (let from = 0; from < inserted.length; from += 100) await insertRuns(sql, inserted.slice(from, from + 100))
await livesOf(inserted)

/** All runs of the project, oldest first, read without any filter. */
const all = await listRuns(sql, { projectId: PROJECT, order: 'oldest', limit: 1_000 })
const payloads = new Map(inserted.map((run) => [run.id, run.payload as { n: number; list: string[] } | undefined]))

const hasAll = (have: Record<string, string>, wanted: RunFilter['tags']) =>
  (wanted ?? []).every(([key, value]) => (value === undefined ? key in have : have[key] === value))
const isOr = (wanted: string | undefined, have: string | null) => wanted === undefined || wanted === have
const passes = (it: Conditions) => (run: RunRow) =>
  (!it.states?.length || it.states.includes(run.state)) &&
  (!it.triggers?.length || it.triggers.includes(run.triggeredBy)) &&
  isOr(it.jobId, run.jobId) &&
  isOr(it.triggeredBy, run.triggeredBy) &&
  isOr(it.batchId, run.batchId) &&
  isOr(it.parentRunId, run.parentRunId) &&
  isOr(it.correlationId, run.correlationId) &&
  isOr(it.queue, run.queue) &&
  isOr(it.agentId, run.agentId) &&
  hasAll(run.tags, it.tags) &&
  hasAll(run.metadata, it.metadata) &&
  (it.createdFrom === undefined || run.createdAt >= new Date(it.createdFrom)) &&
  (it.createdTo === undefined || run.createdAt < new Date(it.createdTo)) &&
  (it.payloadContains === undefined || payloads.get(run.id)?.n === 1)

type Conditions = Omit<RunFilter, 'order' | 'limit' | 'after'>
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 })
const moments = fc.constantFrom(...all.map((run) => run.createdAt.toISOString()))
const label = (keys: string[], values: string[]) =>
  maybe(fc.array(fc.tuple(fc.constantFrom(...keys), maybe(fc.constantFrom(...values))), { maxLength: 2 }))
const filters: fc.Arbitrary<Conditions> = fc.record({
  projectId: fc.constantFrom(PROJECT, PROJECT, PROJECT, 'other'),
  states: maybe(fc.array(fc.constantFrom(...STATES, 'expired'), { maxLength: 3 })),
  triggers: maybe(fc.array(fc.constantFrom('manual', 'cron', 'replay'), { maxLength: 2 })),
  triggeredBy: maybe(fc.constantFrom('manual', 'cron', 'event')),
  jobId: maybe(fc.constantFrom(...jobs)),
  batchId: maybe(fc.constantFrom(BATCH, newId())),
  parentRunId: maybe(fc.constant(PARENT)),
  correlationId: maybe(fc.constantFrom('chain-0', 'none')),
  queue: maybe(fc.constantFrom('default', 'often', 'rare', '@http')),
  agentId: maybe(fc.constantFrom('agent-0', 'none')),
  tags: label(['env', 'team', 'none'], ['prod', 'a', 'b']),
  metadata: label(['env', 'note'], ['prod', ...LONG]),
  createdFrom: maybe(moments),
  createdTo: maybe(moments),
  payloadContains: maybe(fc.constant('{"n": 1}')),
})

const ids = (runs: readonly RunRow[]) => runs.map((run) => run.id)

test('any combination of filters selects exactly what it should, as a whole or in pages, from both ends', {
  timeout: 60_000,
}, async () => {
  // Most of the filters are left out of most of the tries, or next to nothing would pass.
  const shape = fc.record({
    filter: filters.chain((filter) =>
      fc.subarray(Object.keys(filter).slice(1), { maxLength: 3 }).map(
        (kept): Conditions => ({
          projectId: filter.projectId,
          ...Object.fromEntries(kept.map((name) => [name, filter[name as keyof Conditions]])),
        }),
      ),
    ),
    order: fc.constantFrom('newest' as const, 'oldest' as const),
    limit: fc.integer({ min: 1, max: 60 }),
  })
  await fc.assert(
    fc.asyncProperty(shape, async ({ filter, order, limit }) => {
      const inOrder = order === 'newest' ? all.toReversed() : all
      const wanted = filter.projectId === PROJECT ? ids(inOrder.filter(passes(filter))) : []
      const found: string[] = []
      let after: RunPlace | undefined
      do {
        const page = await listRunsPage(sql, { ...filter, order, after, limit })
        expect(page.rows.length).toBeLessThanOrEqual(limit)
        found.push(...ids(page.rows))
        after = page.next
      } while (after)
      expect(found).toEqual(wanted)
      expect(ids(await listRuns(sql, { ...filter, order, limit }))).toEqual(wanted.slice(0, limit))
    }),
    { numRuns: 200 },
  )
})

test('labels follow changes of the metadata', async () => {
  const { runId } = await addRun(sql, jobs[0]!, {
    tags: { a: '1' },
    metadata: { kept: 'as it was', changed: 'before' },
  })
  const listed = async (key: string, value?: string) =>
    ids(await listRuns(sql, { projectId: PROJECT, metadata: [[key, value]], order: 'newest', limit: 10 }))
  expect(await mergeMetadata(sql, runId, { kept: 'as it was', changed: 'after', added: LONG[0]! }, 3)).toBe(true)
  for (const [key, value] of [
    ['kept', 'as it was'],
    ['changed', 'after'],
    ['added', LONG[0]!],
  ] as const) {
    expect(await listed(key, value)).toEqual([runId])
    expect(await listed(key)).toEqual([runId])
  }
  expect(await listed('changed', 'before')).toEqual([])
  expect(await mergeMetadata(sql, runId, { one: 'too many' }, 3)).toBe(false)
  expect(await listed('one')).toEqual([])
  expect(await labelsOf(runId)).toEqual(await labelsByRun(runId))
})

test('labels are deleted with their run', async () => {
  const { sql: own } = await testDatabase()
  const job = await prepareLog(own)
  const old = await addRun(own, job, { tags: { env: 'prod' }, metadata: { note: 'x' } })
  const young = await addRun(own, job, { tags: { env: 'prod' } })
  await own`update run_states set state = 'completed', finished_at = now() where run_id = ${old.runId}`
  await ageRuns(own, 3, [old.runId])
  expect(await deleteOldRuns(own, 2, 10)).toBe(1)
  expect(await own`select distinct run_id as id from run_labels`).toEqual([{ id: young.runId }])
})

test('runs of an earlier version have their labels after the migration', async () => {
  const { sql: own } = await emptyDatabase()
  const before = await mkdtemp(join(inject('testRoot'), 'migrations-'))
  await cp(MIGRATIONS_DIR, before, { recursive: true, filter: (path) => !/\/(?!000[12])\d{4}_/.test(path) })
  await migrate(own, { dir: before })
  const id = newId()
  await own`
    insert into runs (id, project_id, execution, queue, triggered_by, created_by_type, correlation_id, rank, timeout_secs, max_attempts, created_at, tags, metadata)
    values (${id}, ${PROJECT}, 'worker', 'default', 'manual', 'user', 'c', 0, 60, 1, now(), '{"env": "prod"}', '{"note": "x"}')`
  await own`insert into run_states (run_id, project_id, state, created_at, state_since) values (${id}, ${PROJECT}, 'queued', now(), now())`
  await migrate(own)
  for (const filter of [{ tags: [['env', 'prod']] }, { metadata: [['note', undefined]] }] as Pick<RunFilter, 'tags'>[])
    expect(ids(await listRuns(own, { projectId: PROJECT, ...filter, order: 'newest', limit: 10 }))).toEqual([id])
})

/** Claims some of the runs, and moves about half of all to where chance has it. */
async function livesOf(runs: readonly NewRun[]): Promise<void> {
  const base = { seats: seatsFor({ owner: 'w1', actor: ACTOR, leaseSecs: 60 }, 100), order: 'strict' } as const
  for (const [turn, into] of (['executing', 'dequeued'] as const).entries())
    await claimRuns(sql, { ...base, projectId: PROJECT, queues: ['default', 'often', 'rare'], turn, into })
  const moves: RunMove[] = ['reschedule', 'complete', 'fail', 'pause', 'cancel']
  const moved = await moveRuns(
    sql,
    runs.slice(0, 150).map(({ id }, n) => ({ runId: id, move: moves[n % 5]!, actor: ACTOR, dueInMs: 3_600_000 })),
  )
  expect(moved.filter(({ outcome }) => outcome === 'moved').length).toBeGreaterThan(20)
}

const labelsOf = (runId: string) =>
  sql`select label, key_label, created_at from run_labels where run_id = ${runId} order by label`

/** What the run itself says. */
const labelsByRun = (runId: string) => sql`
  select l.label, l.key_label, r.created_at from runs r, labels_of(r.project_id, r.tags, r.metadata) l
  where r.id = ${runId} order by label`
