// AI leases and the agendas that are executed under them. All times are the database's: holders on many machines agree.
import type { Json } from '#core/json/json.ts'
import { jsonText } from '#postgres/json.ts'
import { valuesOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type LeaseState = 'held' | 'completed' | 'failed' | 'cancelled'

export type LeaseRow = {
  projectId: string
  key: string
  leaseId: string
  version: number
  state: LeaseState
  ttlSecs: number
  runId: string
  runRef: string
  endsRun: boolean
  agentId: string | null
  firstSeenAt: Date
  doneAt: Date | null
  result: Json | null
  resultHash: string | null
  errorCode: string | null
  /** Until the lease, or the answer, is over; never below 0. */
  leftMs: number
  over: boolean
}

export type LeaseName = { projectId: string; key: string }

const columns = (sql: Db) => sql`
  project_id as "projectId",
  key,
  lease_id as "leaseId",
  version,
  state,
  ttl_secs as "ttlSecs",
  run_id as "runId",
  run_ref as "runRef",
  ends_run as "endsRun",
  agent_id as "agentId",
  first_seen_at as "firstSeenAt",
  done_at as "doneAt",
  result,
  result_hash as "resultHash",
  error_code as "errorCode",
  greatest(0, extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as "leftMs",
  expires_at <= clock_timestamp() as over`

export async function findLease(sql: Db, { projectId, key }: LeaseName): Promise<LeaseRow | undefined> {
  const [row] = await sql<
    LeaseRow[]
  >`select ${columns(sql)} from ai_leases where project_id = ${projectId} and key = ${key}`
  return row
}

export async function lockLease(tx: Db, { projectId, key }: LeaseName): Promise<LeaseRow | undefined> {
  // First the lock: what is over is asked for when it is held, not when the waiting began.
  await tx`select from ai_leases where project_id = ${projectId} and key = ${key} for update`
  return findLease(tx, { projectId, key })
}

export type NewLease = LeaseName & {
  leaseId: string
  ttlSecs: number
  runId: string
  runRef: string
  endsRun: boolean
  agentId: string | null
}

/** Undefined when the key has a row, which may be anybody's by then. */
export async function insertLease(tx: Db, it: NewLease): Promise<LeaseRow | undefined> {
  const [row] = await tx<LeaseRow[]>`
    insert into ai_leases ${valuesOf(tx, {
      project_id: it.projectId,
      key: it.key,
      lease_id: it.leaseId,
      state: tx`'held'`,
      ttl_secs: it.ttlSecs,
      run_id: it.runId,
      run_ref: it.runRef,
      ends_run: it.endsRun,
      agent_id: it.agentId,
      first_seen_at: tx`date_trunc('milliseconds', clock_timestamp())`,
      expires_at: tx`clock_timestamp() + ${it.ttlSecs}::float8 * interval '1 s'`,
    })}
    on conflict do nothing
    returning ${columns(tx)}`
  return row
}

/** Gives a key whose lease is over to a new holder, and drops the old agenda. The caller has locked the row. */
export async function takeLease(tx: Db, it: NewLease): Promise<LeaseRow> {
  const [row] = await tx<LeaseRow[]>`
    with dropped as (
      delete from ai_agendas where project_id = ${it.projectId} and key = ${it.key}
    )
    update ai_leases
    set
      lease_id = ${it.leaseId},
      version = 1,
      state = 'held',
      ttl_secs = ${it.ttlSecs},
      run_id = ${it.runId},
      run_ref = ${it.runRef},
      ends_run = ${it.endsRun},
      agent_id = ${it.agentId},
      done_at = null,
      result = null,
      result_hash = null,
      error_code = null,
      first_seen_at = date_trunc('milliseconds', clock_timestamp()),
      expires_at = clock_timestamp() + ${it.ttlSecs}::float8 * interval '1 s'
    where project_id = ${it.projectId} and key = ${it.key}
    returning ${columns(tx)}`
  return row!
}

/** The lease begins anew from now; the caller has locked its row. */
export async function extendLease(tx: Db, { projectId, key }: LeaseName, ttlSecs: number): Promise<LeaseRow> {
  const [row] = await tx<LeaseRow[]>`
    update ai_leases
    set
      version = version + 1,
      ttl_secs = ${ttlSecs},
      expires_at = clock_timestamp() + ${ttlSecs}::float8 * interval '1 s'
    where project_id = ${projectId} and key = ${key}
    returning ${columns(tx)}`
  return row!
}

/** Whether somebody works on this run under a lease. */
export async function hasHeldLease(sql: Db, runId: string): Promise<boolean> {
  const rows = await sql`select from ai_leases where run_id = ${runId} and state = 'held' limit 1`
  return rows.length > 0
}

export type LeaseEnd = {
  state: Exclude<LeaseState, 'held'>
  result?: object | null | undefined
  resultHash?: string | null | undefined
  errorCode?: string | null | undefined
}

/** Keeps the answer for so many days; the caller has locked the row. */
export async function endLease(
  tx: Db,
  { projectId, key }: LeaseName,
  end: LeaseEnd,
  keepDays: number,
): Promise<LeaseRow> {
  const [row] = await tx<LeaseRow[]>`
    with dropped as (
      delete from ai_agendas where project_id = ${projectId} and key = ${key}
    )
    update ai_leases
    set
      state = ${end.state},
      result = ${jsonText(end.result ?? undefined)}::text::json,
      result_hash = ${end.resultHash ?? null},
      error_code = ${end.errorCode ?? null},
      done_at = date_trunc('milliseconds', clock_timestamp()),
      expires_at = clock_timestamp() + ${keepDays}::float8 * interval '1 day'
    where project_id = ${projectId} and key = ${key}
    returning ${columns(tx)}`
  return row!
}

/** Deletes leases that were over so long ago, and answers those of them whose holder never said how it ended. */
export const sweepLeases = async (
  tx: Db,
  { heldAfterSecs, limit }: { heldAfterSecs: number; limit: number },
): Promise<LeaseRow[]> => [
  ...(await tx<LeaseRow[]>`
    delete from ai_leases
    where (project_id, key) in (
      select project_id, key from ai_leases
      where expires_at <= clock_timestamp()
        and (state <> 'held' or expires_at <= clock_timestamp() - ${heldAfterSecs}::float8 * interval '1 s')
        -- What is still to be executed here is not forgotten because no node was there.
        and not exists (select from ai_agendas a where a.project_id = ai_leases.project_id and a.key = ai_leases.key)
      order by expires_at limit ${limit} for update skip locked
    )
    returning ${columns(tx)}`),
]
