// Replays many runs, in a few statements however many they are.

import type { Ctx } from '#bell/ctx.ts'
import { Refusal, refuse } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import type { RunState } from '#core/run.ts'
import { readJobs } from '#jobs/jobs.sql.ts'
import type { InsertedRun, NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { readPayloads } from '#run-state/read/count-runs.sql.ts'
import { type Answered, doNamed } from '#run-state/read/named-runs.ts'
import type { RunRow } from '#run-state/read/read-runs.sql.ts'
import { prepareRun } from '../trigger/prepare-run.ts'
import { grouped, type Writer } from './move-each.ts'
import { replayOrigin, replayProblem, replayRequest } from './replay-run.ts'

const TRIES_MAX = 5

/** The new run, or why there is none. `state` is that of the original, which a replay does not change. */
export type Replayed = { state: RunState } & (
  | { replay: { id: string; state: RunState }; problem?: never }
  | { problem: Refusal; replay?: never }
)
type Many = Cause & { projectId: string; runIds: readonly string[] }

/** Replays up to 500 runs by id; results are in order. A duplicate id is replayed once. */
export const replayRuns = (ctx: Ctx, many: Many): Promise<Answered<Replayed>[]> =>
  doNamed(ctx, many, async (runs) => {
    const replayed: Replayed[] = []
    while (replayed.length < runs.length)
      replayed.push(...(await replayPage(grouped(ctx), runs.slice(replayed.length), many)))
    return replayed
  })

/** Replays the first of these runs: as many as have their payloads in one page, and at least one. */
export async function replayPage(writer: Writer, runs: readonly RunRow[], cause: Cause): Promise<Replayed[]> {
  const payloads = await readPayloads(
    writer.sql,
    runs.map((run) => run.id),
  )
  const outcomes = new Map<RunRow, Replayed>()
  let left = runs.slice(0, payloads.length).filter((old, index) => {
    const problem =
      replayProblem(old) ?? (payloads[index]!.kept ? undefined : refuse('payload_gone', { runId: old.publicId }))
    if (problem) outcomes.set(old, { state: old.state, problem })
    return !problem
  })
  const payloadOf = new Map(runs.map((run, index) => [run, payloads[index]?.payload]))
  // A job may be changed between our read and the insert.
  for (let tries = 0; left.length > 0; tries++) {
    if (tries === TRIES_MAX) throw new Error('jobs kept changing while runs of them were being replayed')
    const prepared = await prepareAll(writer, left, { payloadOf, cause })
    const good = left.filter((old) => !(prepared.get(old) instanceof Refusal))
    const inserted = good.length === 0 ? [] : await writer.insert(good.map((old) => prepared.get(old) as NewRun))
    const insertedOf = new Map(good.map((old, index) => [old, inserted[index]!]))
    left = left.filter((old) => {
      const outcome = outcomeOf(old, prepared.get(old)!, insertedOf.get(old))
      if (outcome) outcomes.set(old, outcome)
      return !outcome
    })
  }
  return runs.slice(0, payloads.length).map((old) => outcomes.get(old)!)
}

type Preparation = { payloadOf: ReadonlyMap<RunRow, unknown>; cause: Cause }

/** A replay is due immediately, so no scheduled time of the original can be too late. */
const NEVER_SCHEDULED = 0

async function prepareAll(
  { sql }: Writer,
  runs: readonly RunRow[],
  { payloadOf, cause }: Preparation,
): Promise<Map<RunRow, NewRun | Refusal>> {
  const jobs = new Map((await readJobs(sql, [...new Set(runs.map((run) => run.jobId!))])).map((job) => [job.id, job]))
  const prepared = await Promise.all(
    runs.map((old) => {
      const job = jobs.get(old.jobId!)
      if (!job || job.deletedAt) return refuse('job_not_found', { job: old.jobSlug ?? old.jobId! })
      const request = replayRequest(old, payloadOf.get(old))
      return prepareRun(sql, { job, request, origin: replayOrigin(old, cause), nowMs: NEVER_SCHEDULED })
    }),
  )
  return new Map(runs.map((old, index) => [old, prepared[index]!]))
}

/** Undefined: read again. */
function outcomeOf(old: RunRow, prepared: NewRun | Refusal, inserted: InsertedRun | undefined): Replayed | undefined {
  const { state } = old
  const job = old.jobSlug ?? old.jobId!
  if (prepared instanceof Refusal) return { state, problem: prepared }
  switch (inserted!.outcome) {
    case 'created':
      return { state, replay: { id: prepared.id, state: inserted!.state } }
    case 'job_disabled':
      return { state, problem: refuse('job_disabled', { job }) }
    case 'job_paused':
      return { state, problem: refuse('job_paused', { job }) }
    default:
      return undefined
  }
}
