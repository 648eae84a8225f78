// Leases of attempts under way: kept alive by heartbeats, told to pause, found when they run out. Only the
// database's clock decides.
import type { RunState } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'

export type LeaseRef = { runId: string; token: string }

export type Beat = { runId: string; token: string; told: 'pause' | null; expiresInMs: number }

/** Extends the leases that are still held; one that is missing in the answer is lost. */
export const beatLeases = async (sql: Db, leases: readonly LeaseRef[]): Promise<Beat[]> => [
  ...(await sql<Beat[]>`
    with input as materialized (
      select *
      from unnest(${leases.map((it) => it.runId)}::uuid[], ${leases.map((it) => it.token)}::uuid[]) as t (run_id, token)
    ), held as materialized (
      -- In the order of ids, as everything that locks several of them.
      select l.run_id
      from leases l
      join input i on i.run_id = l.run_id and i.token = l.token
      order by l.run_id for update of l
    )
    update leases l
    set
      heartbeat_at = clock_timestamp(),
      -- Never past the deadline: a heart that beats is no reason to go on for ever.
      expires_at = least(l.deadline_at, clock_timestamp() + l.lease_secs * interval '1 s')
    from held
    where l.run_id = held.run_id
    returning
      l.run_id as "runId",
      l.token,
      l.told,
      extract(epoch from l.expires_at - clock_timestamp())::float8 * 1000 as "expiresInMs"`),
]

/** Of these runs, those whose attempt ended or rests by its own will: what it still does is nobody's business. */
export const findSettledRuns = async (sql: Db, runIds: readonly string[]): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      select run_id as id from run_states
      where run_id = any(${runIds as string[]}::uuid[])
        and state in ('waiting', 'completed', 'failed')`
  ).map((row) => row.id)

/** Hands leases over to a handler that finishes later: it lives until its deadline, whether it beats or not. */
export const handOverLease = async (sql: Db, lease: LeaseRef, owner: string): Promise<boolean> => {
  const [row] = await sql`
    update leases
    set
      owner = ${owner},
      lease_secs = 86400,
      expires_at = coalesce(deadline_at, expires_at),
      heartbeat_at = clock_timestamp()
    where run_id = ${lease.runId} and token = ${lease.token}
    returning run_id`
  return row !== undefined
}

export type Expired = {
  runId: string
  projectId: string
  jobId: string
  token: string
  owner: string
  attempt: number
  state: RunState
  /** Its time was up, rather than its executor gone. */
  overdue: boolean
  told: 'pause' | null
  timeoutSecs: number
}

/** Leases that have run out, oldest first. Only looked at: the move that follows is fenced by the token. */
export const readExpiredLeases = async (sql: Db, limit: number): Promise<Expired[]> => [
  ...(await sql<Expired[]>`
    select
      l.run_id as "runId",
      l.project_id as "projectId",
      l.job_id as "jobId",
      l.token,
      l.owner,
      s.attempt,
      s.state,
      l.told,
      coalesce(l.deadline_at <= clock_timestamp(), false) as overdue,
      r.timeout_secs as "timeoutSecs"
    from leases l
    join run_states s on s.run_id = l.run_id and s.lease_token = l.token
    join runs r on r.id = l.run_id
    where l.expires_at <= clock_timestamp()
    order by l.expires_at limit ${limit}`),
]

/** Asks an executor to checkpoint and stop; its lease then ends with the grace, unless it settles before. */
export async function tellPause(sql: Db, runId: string, graceSecs: number): Promise<boolean> {
  const [row] = await sql`
    update leases
    set
      told = 'pause',
      deadline_at = least(deadline_at, clock_timestamp() + ${graceSecs}::float8 * interval '1 s'),
      expires_at = least(expires_at, clock_timestamp() + ${graceSecs}::float8 * interval '1 s')
    where run_id = ${runId}
      and told is null
      and exists (
        select from run_states s
        where s.run_id = ${runId}
          and s.state = 'executing'
          and s.lease_token = leases.token
      )
    returning run_id`
  return row !== undefined
}

export type LeaseRow = {
  owner: string
  claimedAt: Date
  heartbeatAt: Date
  expiresAt: Date
  deadlineAt: Date | null
  told: string | null
}

export async function findLease(sql: Db, runId: string): Promise<LeaseRow | undefined> {
  const [row] = await sql<LeaseRow[]>`
    select
      owner,
      claimed_at as "claimedAt",
      heartbeat_at as "heartbeatAt",
      expires_at as "expiresAt",
      deadline_at as "deadlineAt",
      told
    from leases
    where run_id = ${runId}`
  return row
}
