// Runs that wait: found by what they wait for, looked at when it may have come, given up when their time is over.
import type { Db } from './sql.ts'
import type { WaitKind } from './wait-parts.ts'

export type WaitRow = {
  runId: string
  id: string
  projectId: string
  kind: WaitKind
  eventKey: string | null
  childRunId: string | null
  jobId: string | null
  matchKey: string | null
  createdAt: Date
  checkAt: Date | null
  expiresAt: Date | null
}

const columns = (sql: Db) => sql`
  run_id as "runId", id, project_id as "projectId", kind, event_key as "eventKey", child_run_id as "childRunId", job_id as "jobId",
  match_key as "matchKey", created_at as "createdAt", check_at as "checkAt", expires_at as "expiresAt" from waits`

export async function findWait(sql: Db, runId: string): Promise<WaitRow | undefined> {
  const [row] = await sql<WaitRow[]>`select ${columns(sql)} where run_id = ${runId}`
  return row
}

export async function findWaitForEvent(sql: Db, projectId: string, eventKey: string): Promise<WaitRow | undefined> {
  const [row] = await sql<WaitRow[]>`
    select ${columns(sql)} where event_key = ${eventKey} and project_id = ${projectId}`
  return row
}

/** Waits that it is time to look at, the earliest first. */
export const readDueWaits = async (sql: Db, limit: number): Promise<WaitRow[]> => [
  ...(await sql<WaitRow[]>`
    select ${columns(sql)} where check_at <= clock_timestamp() order by check_at limit ${limit}`),
]

/** Waits whose time is over. */
export const readExpiredWaits = async (sql: Db, limit: number): Promise<WaitRow[]> => [
  ...(await sql<WaitRow[]>`
    select ${columns(sql)} where expires_at <= clock_timestamp() order by expires_at limit ${limit}`),
]

/**
 * Looks again later at waits that are not over: after a second at first, then less and less often. One that somebody
 * has called up in the meantime is left as it is, or the call would be lost.
 */
export const postponeWaits = (sql: Db, waits: readonly WaitRow[]) => sql`
  update waits w set check_at = clock_timestamp() + greatest(interval '1 s', least(interval '1 min', (clock_timestamp() - w.created_at) / 4))
  from unnest(${waits.map((it) => it.runId)}::uuid[], ${waits.map((it) => it.checkAt!.toISOString())}::timestamptz[]) as t (run_id, check_at)
  where w.run_id = t.run_id and date_trunc('milliseconds', w.check_at) = t.check_at`

/** Milliseconds until the next wait is to be looked at or given up; undefined when none is. */
export async function nextWaitInMs(sql: Db): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select extract(epoch from least(
      (select min(check_at) from waits where check_at is not null),
      (select min(expires_at) from waits where expires_at is not null)
    ) - clock_timestamp())::float8 * 1000 as ms`
  return row?.ms ?? undefined
}
