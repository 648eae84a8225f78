// What tests of the log need: a database with its partitions, runs in it, and events of them.

import postgres from 'postgres'
import { onTestFinished } from 'vitest'
import type { Actor } from '#core/event.ts'
import type { RunMove } from '#core/run.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import { makePartitions, readPartitions } from '#log/partitions.sql.ts'
import { readRunHead } from '#log/read-log.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Sql } from '#postgres/sql.ts'
import { claimRuns, seatsFor } from '#run-state/claim/claim-runs.sql.ts'
import { insertRuns, type NewRun } from '#run-state/insert/insert-runs.sql.ts'
import { moveRuns } from '#run-state/move/move-runs.sql.ts'

export const PROJECT = 'default'
export const ACTOR: Actor = { type: 'api_key', id: 'k1' }

export type LogRun = { runId: string; projectId: string; createdAt: Date }

export type Statement = { text: string; parameters: unknown[] }

/** A connection that keeps what was asked through it, until the test ends. */
export function askedThrough(url: string): { sql: Sql; asked: Statement[] } {
  const through = recordedThrough(url)
  onTestFinished(() => through.sql.end({ timeout: 1 }))
  return through
}

/** The same for a caller that ends it. */
export function recordedThrough(url: string): { sql: Sql; asked: Statement[] } {
  const asked: Statement[] = []
  const sql = postgres(url, {
    max: 4,
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
    // The driver asks for the types of arrays by itself.
    debug: (_connection, text, parameters) => void (/pg_type/.test(text) || asked.push({ text, parameters })),
  })
  return { sql: sql as unknown as Sql, asked }
}

/** The project, the partitions of now, and a job for its runs. Returns the job's id. */
export async function prepareLog(sql: Sql, projectId = PROJECT): Promise<string> {
  await makePartitions(sql)
  const jobId = newId()
  await sql`insert into projects (id, name) values (${projectId}, ${projectId}) on conflict do nothing`
  await sql`
    insert into jobs (id, project_id, slug, version, execution, queue, enabled, when_paused, max_concurrency, max_concurrency_per_key, signing_secret)
    values (${jobId}, ${projectId}, ${jobId}, 1, 'worker', ${jobId}, true, 'hold', 0, 0, '')`
  return jobId
}

/** A run that is queued; its log has one event. */
export async function addRun(sql: Sql, jobId: string, over: Partial<NewRun> = {}): Promise<LogRun> {
  const run: NewRun = {
    id: newId(),
    projectId: PROJECT,
    jobId,
    jobVersion: 1,
    actor: ACTOR,
    triggeredBy: 'manual',
    rank: 0,
    timeoutSecs: 300,
    maxAttempts: 3,
    tags: {},
    metadata: {},
    ...over,
  }
  const [inserted] = await insertRuns(sql, [run])
  if (inserted?.outcome !== 'created') throw new Error(`the run was not created: ${inserted?.outcome}`)
  return { runId: run.id, projectId: run.projectId, createdAt: inserted.createdAt }
}

/** Starts the run that `addRun` made for this job; its log has one event more. */
export async function startRun(sql: Sql, jobId: string): Promise<void> {
  const claim = {
    queues: [jobId],
    seats: seatsFor({ owner: 'w1', actor: ACTOR, leaseSecs: 60 }, 1),
    into: 'executing',
    turn: 1,
    order: 'strict',
  } as const
  const { runs } = await claimRuns(sql, claim)
  if (runs.length === 0) throw new Error('no run was claimed')
}

export async function moveRun(sql: Sql, runId: string, move: RunMove): Promise<void> {
  const [moved] = await moveRuns(sql, [{ runId, move, actor: ACTOR }])
  if (moved?.outcome !== 'moved') throw new Error(`the run did not move: ${JSON.stringify(moved)}`)
}

/** Room for events of the weeks before this one, which a log that is older has. */
export async function makePast(sql: Sql): Promise<void> {
  const [first] = await readPartitions(sql, 'events')
  await sql.unsafe(`
    create table events_20200106 partition of events for values from ('2020-01-06') to ('${first!.from.toISOString()}')`)
}

/** One event for each run; a run that is named twice gets two. */
export async function addSteps(sql: Sql, runs: readonly LogRun[], data: unknown = {}): Promise<void> {
  const appended = await appendEvents(
    sql,
    runs.map(({ runId, projectId }) => ({ projectId, runId, type: 'step.done', actor: ACTOR, data })),
  )
  if (appended.some((one) => one.outcome !== 'appended')) throw new Error(`not appended: ${JSON.stringify(appended)}`)
}

/** Chunks of a model's answer, numbered together with the run's events. */
export async function addChunks(sql: Sql, runId: string, texts: readonly string[]): Promise<void> {
  await sql`
    with run as (
      update run_states set last_sequence = last_sequence + ${texts.length}::int where run_id = ${runId}::uuid
      returning run_id, project_id, last_sequence - ${texts.length}::int as before
    )
    insert into deltas (run_id, sequence, project_id, type, attempt, data)
    select run_id, before + nth, project_id, 'stream.chunk', 1, jsonb_build_object('chunk', chunk)
    from run, unnest(${texts as string[]}::text[]) with ordinality as t (chunk, nth)`
}

export async function lastSequenceOf(sql: Sql, { projectId, runId }: LogRun): Promise<number> {
  const head = await readRunHead(sql, projectId, runId)
  if (!head) throw new Error(`there is no run ${runId}`)
  return head.lastSequence
}
