// What tests over storage and actions begin with: a database, a context on it, and jobs made by one line.

import { pino } from 'pino'
import { egressOf } from '#access/egress/egress.ts'
import { insertProject } from '#access/keys.sql.ts'
import { newSigningSecret } from '#access/signatures/signature.ts'
import { type Ctx, makeCtx } from '#bell/ctx.ts'
import type { Actor } from '#core/event.ts'
import { type JobDefinition, PLAIN_JOB } from '#core/job.ts'
import { createJob } from '#jobs/change-jobs.ts'
import type { JobRow } from '#jobs/jobs.sql.ts'
import { makePartitions } from '#log/partitions.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { testDatabase } from './db.ts'

export const TESTER: Actor = { type: 'user', id: 'tester' }
/** Who triggers runs. */
export const ORIGIN = { projectId: 'default', actor: TESTER, triggeredBy: 'manual' as const }
/** The signal of a tick that nobody stops. */
export const NEVER = new AbortController().signal

/** Retried at once. */
export const DEFINITION: JobDefinition = {
  ...PLAIN_JOB,
  name: 'A job',
  retryStrategy: 'fixed',
  retryInitialDelaySecs: 0,
}

export type Yard = { ctx: Ctx; sql: Sql; url: string; rung: string[] }

/** A context whose rings are kept, in a database of its own with the project `default`. */
export async function testYard(): Promise<Yard> {
  const { sql, url } = await testDatabase()
  await makePartitions(sql)
  await insertProject(sql, { id: 'default', name: 'Default' })
  const rung: string[] = []
  const ctx = makeCtx({
    sql,
    reads: sql,
    ring: (topics) => void rung.push(...topics),
    // Nobody rings here: waiting is what the tests that need it bring themselves.
    listen: () => ({ rung: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), close: () => {} }),
    log: pino({ level: 'silent' }),
    given: [egressOf.given('any')],
    random: () => 0.5,
  })
  return { ctx, sql, url, rung }
}

export const addJob = (
  ctx: Ctx,
  slug: string,
  definition: Partial<JobDefinition> = {},
  projectId = 'default',
): Promise<JobRow> =>
  createJob(ctx, {
    projectId,
    actor: TESTER,
    slug,
    definition: { ...DEFINITION, ...definition },
    signingSecret: newSigningSecret(),
  })

/** An empty yard again, jobs kept: for properties, which try many stories and could not have a database for each. */
export const sweepYard = (sql: Sql) => sql`
  truncate runs, run_states, run_bodies, run_queue, leases, run_counts, events, event_counts, event_sums, actor_sums, end_counts, failure_counts, event_ids, deltas, idempotency_keys, run_checkpoints, waits, wait_items`

/** Puts these runs so many days back, with the states and the labels that tell their time as well. */
export async function ageRuns(sql: Sql, days: number, runIds?: readonly string[]): Promise<void> {
  const span = sql`${days}::int * interval '1 day'`
  const of = (id: 'id' | 'run_id') =>
    runIds === undefined ? sql`` : sql`where ${sql(id)} = any(${runIds as string[]}::uuid[])`
  await sql`update runs set created_at = created_at - ${span} ${of('id')}`
  await sql`update run_labels set created_at = created_at - ${span} ${of('run_id')}`
  await sql`
    update run_states set created_at = created_at - ${span}, finished_at = finished_at - ${span} ${of('run_id')}`
}
