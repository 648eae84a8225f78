// Operations over many runs. The row of one is its progress and its lock: who moves a page holds it until the page and
// the progress are committed together.
import type { Actor, ActorType } from '#core/event.ts'
import type { OperationKind, OperationProblem, OperationState } from '#core/operation.ts'
import { actorName } from '#log/actor-name.sql.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'
import type { RunConditions } from '#run-state/read/count-runs.sql.ts'
import type { RunPlace } from '#run-state/read/list-runs.sql.ts'

export type OperationRow = {
  id: string
  projectId: string
  kind: OperationKind
  filter: Record<string, unknown>
  conditions: RunConditions
  maxRuns: number | null
  reason: string | null
  actorType: ActorType
  actorId: string | null
  actorName: string | null
  state: OperationState
  matched: number
  done: number
  skipped: number
  expected: number | null
  problems: OperationProblem[]
  runsBefore: Date
  afterCreatedAt: Date | null
  afterId: string | null
  failures: number
  error: string | null
  createdAt: Date
  finishedAt: Date | null
  /** From its beginning to its end, or to now. */
  elapsedMs: number
}

const columns = (sql: Db) => sql`
  id,
  project_id as "projectId",
  kind,
  filter,
  conditions,
  max_runs as "maxRuns",
  reason,
  actor_type as "actorType",
  actor_id as "actorId",
  ${actorName(sql, 'actor')} as "actorName",
  state,
  matched,
  done,
  skipped,
  expected,
  problems,
  runs_before as "runsBefore",
  after_created_at as "afterCreatedAt",
  after_id as "afterId",
  failures,
  error,
  created_at as "createdAt",
  finished_at as "finishedAt",
  (extract(epoch from coalesce(finished_at, clock_timestamp()) - created_at) * 1000)::float8 as "elapsedMs"`

export type NewOperation = {
  id: string
  projectId: string
  kind: OperationKind
  filter: object
  conditions: RunConditions
  maxRuns: number | undefined
  reason: string | undefined
  actor: Actor
  expected: number | undefined
}

export async function insertOperation(sql: Db, it: NewOperation): Promise<OperationRow> {
  const [row] = await sql<OperationRow[]>`
    insert into operations ${valuesOf(sql, {
      id: it.id,
      project_id: it.projectId,
      kind: it.kind,
      filter: sql`${JSON.stringify(it.filter)}::text::jsonb`,
      conditions: sql`${JSON.stringify(it.conditions)}::text::jsonb`,
      max_runs: it.maxRuns ?? null,
      reason: it.reason ?? null,
      actor_type: it.actor.type,
      actor_id: it.actor.id,
      expected: it.expected ?? null,
      // Runs are stamped to the microsecond: one that is triggered later is not its business.
      runs_before: sql`clock_timestamp()`,
    })}
    returning ${columns(sql)}`
  return row!
}

export async function findOperation(sql: Db, projectId: string, id: string): Promise<OperationRow | undefined> {
  const [row] = await sql<OperationRow[]>`
    select ${columns(sql)} from operations where id = ${id} and project_id = ${projectId}`
  return row
}

type Page = { after?: RunPlace | undefined; limit: number }

/** Newest first. */
export const listOperations = async (sql: Db, projectId: string, { after, limit }: Page): Promise<OperationRow[]> => [
  ...(await sql<OperationRow[]>`
    select ${columns(sql)} from operations
    where project_id = ${projectId}
      ${after ? sql`and (created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``}
    order by created_at desc, id desc limit ${limit}`),
]

/** The running operation whose turn it is, locked; one that another node is working on is passed over. */
export async function takeOperation(sql: Db): Promise<OperationRow | undefined> {
  const [row] = await sql<OperationRow[]>`
    select ${columns(sql)} from operations where state = 'running' and turn_at <= clock_timestamp()
    order by turn_at limit 1 for update skip locked`
  if (!row) return undefined
  const { tags, metadata } = row.conditions
  return { ...row, conditions: { ...row.conditions, tags: pairs(tags), metadata: pairs(metadata) } }
}

/** JSON has no undefined: a key that was asked for without a value comes back with null. */
const pairs = (kept: RunConditions['tags']): RunConditions['tags'] =>
  kept?.map(([key, value]) => [key, value ?? undefined])

export type Progress = {
  done: number
  skipped: number
  /** The problems so far. */
  problems: readonly OperationProblem[]
  /** Where the next page begins; undefined when there is none. */
  after: RunPlace | undefined
}

/** A page more; the operation goes to the end of the line. */
export const saveProgress = (sql: Db, id: string, { done, skipped, problems, after }: Progress) => sql`
  update operations
  set
    done = done + ${done},
    skipped = skipped + ${skipped},
    matched = matched + ${done + skipped},
    problems = ${JSON.stringify(problems)}::text::jsonb,
    failures = 0,
    turn_at = clock_timestamp(),
    after_created_at = coalesce(${after?.createdAt ?? null}::timestamptz, after_created_at),
    after_id = coalesce(${after?.id ?? null}::uuid, after_id)
  where id = ${id}`

type End = { state: Exclude<OperationState, 'running'>; error?: string }

/** The operation as it ended; undefined when it was over already. */
export async function endOperation(sql: Db, id: string, { state, error }: End): Promise<OperationRow | undefined> {
  const [row] = await sql<OperationRow[]>`
    update operations
    set state = ${state}, error = ${error ?? null}, finished_at = date_trunc('milliseconds', clock_timestamp())
    where id = ${id} and state = 'running'
    returning ${columns(sql)}`
  return row
}

/** One more failure in a row, and a wait that grows with them; how many there are now. */
export async function countFailure(sql: Db, id: string): Promise<number> {
  const [row] = await sql<{ failures: number }[]>`
    update operations set failures = failures + 1, turn_at = clock_timestamp() + (failures + 1) * interval '1 s'
    where id = ${id} and state = 'running' returning failures`
  return row?.failures ?? 0
}

/** Operations that were over more than `days` ago; what they did stays in the log. */
export async function deleteOldOperations(sql: Db, days: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from operations where id in (
      select operations.id from operations
      where finished_at < now() - ${days}::float8 * interval '1 day' limit ${limit})
    returning 1`
  return rows.length
}
