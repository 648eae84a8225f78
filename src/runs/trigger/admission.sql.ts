// What decides whether a trigger makes a run: what still counts against the rate of its job, and the run that it is
// merged into. Who reads these holds the locks of the keys.
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

const KEYS_SEED = 13

/** In one order, so that two batches never deadlock; taken before anything is read. */
export const lockFlowKeys = (tx: Db, keys: readonly string[]) => tx`
  select pg_advisory_xact_lock(lock) from (
    select distinct hashtextextended(key, ${KEYS_SEED}) as lock
    from unnest(${keys as string[]}::text[]) as t (key)
    order by 1
  ) locks`

type JobKey = { jobId: string; key: string }
const JOB_KEY = { 'job_id uuid': (it: JobKey) => it.jobId, 'key text': (it: JobKey) => it.key }

export type KeyHolder = JobKey & { runId: string; fingerprint: string }

/** The runs that these idempotency keys stand for now. */
export const readKeyHolders = async (tx: Db, keys: readonly JobKey[]): Promise<KeyHolder[]> => [
  ...(await tx<KeyHolder[]>`
    select k.job_id as "jobId", k.key, k.run_id as "runId", encode(k.fingerprint, 'hex') as fingerprint
    from ${rowsOf(tx, keys, JOB_KEY)} join idempotency_keys k using (job_id, key)
    where k.expires_at is null or k.expires_at >= clock_timestamp()`),
]

export type Counted = JobKey & { n: number; freeInMs: number | null }

/** How many triggers of each key still count, and when the first of them no longer does. */
export const countTriggers = async (tx: Db, keys: readonly JobKey[]): Promise<Counted[]> => [
  ...(await tx<Counted[]>`
    select
      t.job_id as "jobId",
      t.key,
      count(m.until)::int as n,
      (extract(epoch from min(m.until) - clock_timestamp()) * 1000)::float8 as "freeInMs"
    from ${rowsOf(tx, keys, JOB_KEY)}
    left join rate_marks m
      on m.job_id = t.job_id
      and m.key = t.key
      and m.kind = 'trigger'
      and m.until > statement_timestamp()
    group by t.job_id, t.key`),
]

export type NewMark = JobKey & { forMs: number }
const MARK = { ...JOB_KEY, 'for_ms float8': (it: NewMark) => it.forMs }

export const insertTriggerMarks = (tx: Db, marks: readonly NewMark[]) => tx`
  insert into rate_marks (job_id, kind, key, until)
  select job_id, 'trigger', key, clock_timestamp() + for_ms * interval '1 ms' from ${rowsOf(tx, marks, MARK)}`

/** Those of which the log was not told since they were refused for the first time. */
export const insertRefusalMarks = async (tx: Db, marks: readonly NewMark[]): Promise<JobKey[]> => [
  ...(await tx<JobKey[]>`
    insert into rate_marks (job_id, kind, key, until)
    select job_id, 'refusal', key, clock_timestamp() + for_ms * interval '1 ms'
    from ${rowsOf(tx, marks, MARK)}
    where not exists (
      select from rate_marks m
      where m.job_id = t.job_id
        and m.key = t.key
        and m.kind = 'refusal'
        and m.until > statement_timestamp())
    returning job_id as "jobId", key`),
]

export type JobStanding = {
  id: string
  version: number
  dependencies: number
  enabled: boolean
  refuses: boolean
}

/** As the statement that inserts runs judges them. */
export const readJobStandings = async (tx: Db, jobIds: readonly string[]): Promise<JobStanding[]> => [
  ...(await tx<JobStanding[]>`
    select id, version, dependencies, enabled, paused_at is not null and when_paused = 'refuse' as refuses
    from jobs
    where id = any(${jobIds as string[]}::uuid[])
      and deleted_at is null`),
]

export type OpenDebounce = JobKey & { runId: string; leftMs: number }

/** Runs of these keys that have not begun, under their locks; a run of an older version of its job takes no more. */
export const lockOpenDebounces = async (
  tx: Db,
  keys: readonly (JobKey & { jobVersion: number })[],
): Promise<OpenDebounce[]> => [
  ...(await tx<OpenDebounce[]>`
    select
      d.job_id as "jobId",
      d.key,
      d.run_id as "runId",
      (extract(epoch from d.begins_by - clock_timestamp()) * 1000)::float8 as "leftMs"
    from ${rowsOf(tx, keys, { ...JOB_KEY, 'version int': (it) => it.jobVersion })}
    join debounces d on d.job_id = t.job_id and d.key = t.key and d.job_version = t.version
    join run_states s on s.run_id = d.run_id and s.state = 'delayed' and s.attempt = 1
    order by d.run_id
    for update of s`),
]

export type NewDebounce = JobKey & { jobVersion: number; runId: string; triggers: number; maxDelayMs: number }

/** In place of one whose run has begun. */
export const putDebounces = (tx: Db, debounces: readonly NewDebounce[]) => tx`
  insert into debounces (job_id, key, run_id, job_version, triggers, begun_at, begins_by)
  select
    job_id, key, run_id, version, triggers, clock_timestamp(), clock_timestamp() + max_delay_ms * interval '1 ms'
  from ${rowsOf(tx, debounces, {
    ...JOB_KEY,
    'run_id uuid': (it) => it.runId,
    'version int': (it) => it.jobVersion,
    'triggers int': (it) => it.triggers,
    'max_delay_ms float8': (it) => it.maxDelayMs,
  })}
  on conflict (job_id, key) do update set
    run_id = excluded.run_id,
    job_version = excluded.job_version,
    triggers = excluded.triggers,
    begun_at = excluded.begun_at,
    begins_by = excluded.begins_by`

export const countMerged = (tx: Db, merged: readonly (JobKey & { triggers: number })[]) => tx`
  update debounces d set triggers = d.triggers + t.triggers
  from ${rowsOf(tx, merged, { ...JOB_KEY, 'triggers int': (it) => it.triggers })}
  where d.job_id = t.job_id and d.key = t.key`

/** Idempotency keys of triggers that were merged into a run stand for it; answers those that nobody else had. */
export const takeKeys = async (tx: Db, keys: readonly KeyHolder[]): Promise<JobKey[]> => [
  ...(await tx<JobKey[]>`
    with taken as (
      insert into idempotency_keys as k (job_id, key, run_id, fingerprint)
      select job_id, key, run_id, decode(fingerprint, 'hex')
      from ${rowsOf(tx, keys, {
        ...JOB_KEY,
        'run_id uuid': (it) => it.runId,
        'fingerprint text': (it) => it.fingerprint,
      })}
      order by job_id, key
      on conflict (job_id, key) do update set
        run_id = excluded.run_id,
        fingerprint = excluded.fingerprint,
        expires_at = null
      where k.expires_at < clock_timestamp()
      returning job_id, key, run_id
    ), named as (
      -- A move settles the keys of runs that have one.
      update runs set idempotency_key = (select min(key) from taken where taken.run_id = runs.id)
      where id = any(array(select taken.run_id from taken))
        and idempotency_key is null
    )
    select job_id as "jobId", key from taken`),
]

export type DebounceRow = { triggers: number; begunAt: Date; beginsBy: Date }

/** That of a run that has not begun. */
export async function findDebounceOf(sql: Db, runId: string): Promise<DebounceRow | undefined> {
  const [row] = await sql<DebounceRow[]>`
    select triggers, begun_at as "begunAt", begins_by as "beginsBy" from debounces where run_id = ${runId}`
  return row
}

/** Marks that no longer count, and debounces whose runs have begun long since. */
export async function deleteOldMarks(sql: Db, limit: number): Promise<number> {
  const marks = await sql`
    delete from rate_marks
    where ctid = any(array(
      select old.ctid from rate_marks old where old.until < now() order by old.until limit ${limit}
    ))
    returning 1`
  const debounces = await sql`
    delete from debounces
    where ctid = any(array(
      select old.ctid from debounces old where old.begins_by < now() order by old.begins_by limit ${limit}
    ))
    returning 1`
  return Math.max(marks.length, debounces.length)
}
