// Reading runs. Lists never touch bodies; they are fetched for one run, by its id.
import type { Execution } from '#core/job.ts'
import type { Json } from '#core/json/json.ts'
import { type RunState, statesIn, type Trigger } from '#core/run.ts'
import { column } from '#postgres/column.ts'
import { derivedId, isUuid } from '#postgres/id.ts'
import { type Db, literals } from '#postgres/sql.ts'

export type RunRow = {
  id: string
  /** The id that the outside knows: the client's own for an external run. */
  publicId: string
  projectId: string
  jobId: string | null
  jobSlug: string | null
  jobVersion: number | null
  jobVersionId: string | null
  execution: Execution
  queue: string
  state: RunState
  attempt: number
  maxAttempts: number
  timeoutSecs: number
  ttlSecs: number | null
  rank: number
  triggeredBy: Trigger
  createdByType: string
  createdById: string | null
  correlationId: string
  parentRunId: string | null
  continuationOf: string | null
  lineageDepth: number
  replayedFrom: string | null
  batchId: string | null
  idempotencyKey: string | null
  concurrencyKey: string
  agentId: string | null
  tags: Record<string, string>
  metadata: Record<string, string>
  overrides: Record<string, unknown> | null
  debugMode: boolean
  detached: boolean
  preset: string | null
  environment: Record<string, string> | null
  createdAt: Date
  stateSince: Date
  dueAt: Date | null
  scheduledAt: Date | null
  startedAt: Date | null
  finishedAt: Date | null
  expiresAt: Date | null
  heartbeatAt: Date | null
  /** Its executor has been asked to pause, and to stop. */
  told: 'pause' | null
  lastSequence: number
  lastCheckpoint: number
  queueWaitMs: number | null
  error: string | null
  errorCode: string | null
}

export type RunBody = { payload: Json | null; result: Json | null; trace: Record<string, number> | null }

export const runColumns = (sql: Db) => sql`
  r.id,
  coalesce(r.client_id, r.id::text) as "publicId",
  r.project_id as "projectId",
  r.job_id as "jobId",
  j.slug as "jobSlug",
  r.job_version as "jobVersion",
  v.id as "jobVersionId",
  r.execution,
  r.queue,
  s.state,
  s.attempt,
  r.max_attempts as "maxAttempts",
  r.timeout_secs as "timeoutSecs",
  r.ttl_secs as "ttlSecs",
  r.rank,
  r.triggered_by as "triggeredBy",
  r.created_by_type as "createdByType",
  r.created_by_id as "createdById",
  r.correlation_id as "correlationId",
  r.parent_run_id as "parentRunId",
  r.continuation_of as "continuationOf",
  r.lineage_depth as "lineageDepth",
  r.replayed_from as "replayedFrom",
  r.batch_id as "batchId",
  r.idempotency_key as "idempotencyKey",
  r.concurrency_key as "concurrencyKey",
  r.agent_id as "agentId",
  r.tags,
  r.metadata,
  r.overrides,
  r.debug_mode as "debugMode",
  r.detached,
  r.preset,
  r.environment,
  r.created_at as "createdAt",
  s.state_since as "stateSince",
  s.due_at as "dueAt",
  s.scheduled_at as "scheduledAt",
  s.started_at as "startedAt",
  s.finished_at as "finishedAt",
  s.expires_at as "expiresAt",
  l.heartbeat_at as "heartbeatAt",
  l.told,
  s.last_sequence as "lastSequence",
  s.last_checkpoint as "lastCheckpoint",
  s.queue_wait_ms as "queueWaitMs",
  s.error,
  s.error_code as "errorCode"`

/** What stands beside the run `r`, looked up one by one: a join with tables that were empty when planned walks them. */
export const besideRun = (sql: Db) => sql`
  left join lateral (select slug from jobs where id = r.job_id offset 0) j on true
  left join lateral (select id from job_versions where job_id = r.job_id and version = r.job_version offset 0) v on true
  left join lateral (select heartbeat_at, told from leases where run_id = r.id offset 0) l on true`

/** The order of the runs of a CTE `page`, once they are joined with what stands beside them. */
export const pageInOrder = (sql: Db, order: 'newest' | 'oldest') =>
  order === 'newest' ? sql`order by page.created_at desc, page.id desc` : sql`order by page.created_at, page.id`

const sources = (sql: Db) => sql`from runs r join run_states s on s.run_id = r.id ${besideRun(sql)}`

/** The internal ids that a public id may stand for: an id of ours, or the client's own string of an external run. */
export const idsOf = (projectId: string, publicId: string): string[] => {
  const external = derivedId(projectId, publicId)
  return isUuid(publicId) ? [publicId.toLowerCase(), external] : [external]
}

export async function findRun(sql: Db, projectId: string, publicId: string): Promise<RunRow | undefined> {
  const [row] = await sql<RunRow[]>`
    select ${runColumns(sql)} ${sources(sql)}
    where r.id = any(${idsOf(projectId, publicId)}::uuid[]) and r.project_id = ${projectId}`
  return row
}

/** Those of these runs that the project has, by the public ids that they were asked for by. */
export async function findRuns(sql: Db, projectId: string, publicIds: readonly string[]): Promise<Map<string, RunRow>> {
  const ids = publicIds.flatMap((publicId) => idsOf(projectId, publicId))
  const rows = await sql<RunRow[]>`
    select ${runColumns(sql)} ${sources(sql)} where r.id = any(${ids}::uuid[]) and r.project_id = ${projectId}`
  const byId = new Map(rows.map((row) => [row.id, row]))
  return new Map(
    publicIds.flatMap((publicId) => {
      const row = idsOf(projectId, publicId).flatMap((id) => byId.get(id) ?? [])[0]
      return row ? [[publicId, row] as const] : []
    }),
  )
}

/** Runs of any project by their internal ids, in no order: for the engine. */
export const readRuns = async (sql: Db, ids: readonly string[]): Promise<RunRow[]> => [
  ...(await sql<RunRow[]>`select ${runColumns(sql)} ${sources(sql)} where r.id = any(${ids as string[]}::uuid[])`),
]

/** Which of these runs belong to the project. */
export const readOwnRuns = async (sql: Db, projectId: string, ids: readonly string[]): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      select id from runs where id = any(${column(ids.filter(isUuid))}::uuid[]) and project_id = ${projectId}`
  ).map((row) => row.id)

export type RunJob = { id: string; projectId: string; jobId: string; jobVersion: number }

/** What these runs execute; those that others execute are absent. */
export const readRunJobs = async (sql: Db, ids: readonly string[]): Promise<RunJob[]> => [
  ...(await sql<RunJob[]>`
    select id, project_id as "projectId", job_id as "jobId", job_version as "jobVersion"
    from runs where id = any(${column(ids)}::uuid[]) and job_id is not null`),
]

/** Undefined when it is gone: a run that had nothing has a body of nulls. */
export async function findRunBody(sql: Db, runId: string): Promise<RunBody | undefined> {
  const [row] = await sql<RunBody[]>`select payload, result, trace from run_bodies where run_id = ${runId}`
  return row
}

/** The chain of continuations that a run belongs to: root first. */
export const readLineage = async (sql: Db, runId: string, depthMax: number): Promise<RunRow[]> => [
  ...(await sql<RunRow[]>`
    with recursive back as (
      select id, continuation_of, 0 as hops from runs
      where id = ${runId}
      union all
      select r.id, r.continuation_of, back.hops + 1
      from back
      join runs r on r.id = back.continuation_of
      where back.hops < ${depthMax}
    ), forth as (
      select id, 0 as hops from back
      where continuation_of is null or hops = ${depthMax}
      union all
      select r.id, forth.hops + 1
      from forth
      join runs r on r.continuation_of = forth.id
      where forth.hops < ${depthMax * 2}
    )
    select ${runColumns(sql)} ${sources(sql)}
    where r.id in (select forth.id from forth)
    order by r.lineage_depth, r.created_at, r.id limit 1000`),
]

/** Runs below these, at any depth, that are not over; parents before children. */
export const readLiveDescendants = async (
  sql: Db,
  runIds: readonly string[],
  overStates: readonly string[],
): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      with recursive below as (
        select id, 1 as depth from runs where parent_run_id = any(${runIds as string[]}::uuid[]) and not detached
        union
        select r.id, below.depth + 1 from below join runs r on r.parent_run_id = below.id where not r.detached
      )
      select b.id from below b join run_states s on s.run_id = b.id
      where s.state <> all(${overStates as string[]}::text[])
      group by b.id order by min(b.depth), b.id`
  ).map((row) => row.id)

/** How many runs stand above this one, counted up to `max`. */
export async function countAncestors(sql: Db, runId: string, max: number): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    with recursive above as (
      select parent_run_id as id, 1 as n from runs
      where id = ${runId} and parent_run_id is not null
      union all
      select r.parent_run_id, above.n + 1
      from above
      join runs r on r.id = above.id
      where r.parent_run_id is not null and above.n < ${max}
    )
    select coalesce(max(n), 0)::int as n from above`
  return row!.n
}

/**
 * Live runs that nobody will look after: below a run that ended without completing, or of a job that was deleted, both
 * lately. What made them so was interrupted before it reached them.
 */
export const readOrphans = async (sql: Db, overStates: readonly string[], limit: number): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      (
        select r.id
        from run_states p
        join runs r on r.parent_run_id = p.run_id and not r.detached
        join run_states s on s.run_id = r.id
        where p.failed_at > now() - interval '15 minutes'
          and s.state <> all(${overStates as string[]}::text[])
        limit ${limit}
      )
      union
      (
        select q.run_id
        from jobs j
        join run_counts c
          on c.project_id = j.project_id
          and c.job_id = j.id
          and c.state in (${literals(sql, statesIn('queue'))})
        join run_queue q on q.job_id = j.id
        where j.deleted_at > now() - interval '1 day'
        group by j.id, q.run_id
        having sum(c.n) > 0
        limit ${limit}
      )`
  ).map((row) => row.id)

/** How many runs of a job are not over, from the counters. */
export async function countLiveRuns(
  sql: Db,
  projectId: string,
  jobId: string,
  overStates: readonly string[],
): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select coalesce(sum(n), 0)::bigint as n from run_counts
    where project_id = ${projectId}
      and job_id = ${jobId}
      and state <> all(${overStates as string[]}::text[])`
  return row!.n
}

export type StateCount = { queue: string; jobId: string; state: RunState; n: number }

export const readRunCounts = async (sql: Db, projectId?: string, jobId?: string): Promise<StateCount[]> => [
  ...(await sql<StateCount[]>`
    select queue, job_id as "jobId", state, sum(n)::bigint as n from run_counts
    where ${projectId === undefined ? sql`true` : sql`project_id = ${projectId}`}
      ${jobId === undefined ? sql`` : sql`and job_id = ${jobId}`}
    group by queue, job_id, state having sum(n) <> 0`),
]
