// Where a moment stands among the records of a run, or the versions of a job, for clients whose cursor is the time of
// the last record that they have seen.
import type { Db, Fragment } from '#postgres/sql.ts'

/**
 * A time to the millisecond, which many records may share. Where `digits` is there, one of them is meant: the one whose
 * number leaves them when it is divided by `digitsOf`. A client may also send a time of its own with such digits.
 */
export type Moment = { time: string; digits?: number; digitsOf?: number }

const isMeant = (sql: Db, number: Fragment, at: Fragment, { time, digits, digitsOf }: Moment): Fragment =>
  digits === undefined
    ? sql`false`
    : sql`
      date_trunc('milliseconds', ${at}) = ${time}::timestamptz and ${number} % ${digitsOf!}::bigint = ${digits}::bigint`

/** The sequence that is meant among a run's events and deltas, or the last one up to and including the time. */
export async function logUpTo(sql: Db, runId: string, moment: Moment): Promise<number> {
  const upTo = sql`run_id = ${runId} and date_trunc('milliseconds', recorded_at) <= ${moment.time}::timestamptz`
  const meant = sql`${upTo} and ${isMeant(sql, sql`sequence`, sql`recorded_at`, moment)}`
  const [row] = await sql<{ sequence: number }[]>`
    select coalesce(
      greatest((select max(sequence) from events where ${meant}), (select max(sequence) from deltas where ${meant})),
      greatest((select max(sequence) from events where ${upTo}), (select max(sequence) from deltas where ${upTo})),
      0
    )::bigint as sequence`
  return row!.sequence
}

/** The sequence that is meant among a run's tool calls, or the last one up to and including the time; 0 for none. */
export async function toolCallsUpTo(sql: Db, runId: string, moment: Moment): Promise<number> {
  const [row] = await sql<{ sequence: number }[]>`
    select coalesce(
      max(sequence) filter (where ${isMeant(sql, sql`sequence`, sql`created_at`, moment)}),
      max(sequence),
      0
    )::bigint as sequence
    from run_tool_calls
    where run_id = ${runId}
      and date_trunc('milliseconds', created_at) <= ${moment.time}::timestamptz`
  return row!.sequence
}

/** The sequence that is meant among a run's usage, or the first one from the time on; undefined when there is none. */
export async function usageFrom(sql: Db, runId: string, moment: Moment): Promise<number | undefined> {
  const [row] = await sql<{ sequence: number | null }[]>`
    select coalesce(
      min(sequence) filter (where ${isMeant(sql, sql`sequence`, sql`created_at`, moment)}),
      min(sequence)
    )::bigint as sequence
    from run_usage
    where run_id = ${runId}
      and date_trunc('milliseconds', created_at) >= ${moment.time}::timestamptz`
  return row!.sequence ?? undefined
}

/** The number that is meant among a run's checkpoints, or the first one from the time on. */
export async function checkpointFrom(sql: Db, runId: string, moment: Moment): Promise<number | undefined> {
  const [row] = await sql<{ number: number | null }[]>`
    select coalesce(
      min(number) filter (where ${isMeant(sql, sql`number`, sql`created_at`, moment)}),
      min(number)
    ) as number
    from run_checkpoints
    where run_id = ${runId}
      and date_trunc('milliseconds', created_at) >= ${moment.time}::timestamptz`
  return row!.number ?? undefined
}

/** The version that is meant, or the first one made from the time on; one above the latest when there is none. */
export async function versionFrom(sql: Db, jobId: string, moment: Moment): Promise<number> {
  const [row] = await sql<{ version: number }[]>`
    select coalesce(
      min(version) filter (where ${isMeant(sql, sql`version`, sql`created_at`, moment)}),
      coalesce(max(version) filter (where date_trunc('milliseconds', created_at) < ${moment.time}::timestamptz), 0) + 1
    ) as version
    from job_versions
    where job_id = ${jobId}`
  return row!.version
}
