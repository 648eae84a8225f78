// Where a moment stands among the records of a run, for clients whose cursor is the time of the last record that they
// have seen. They know times to the millisecond, so that is what is compared.
import type { Db } from '#postgres/sql.ts'

/** The last sequence of a run's events and deltas up to and including `time`; 0 when all came later. */
export async function logUpTo(sql: Db, runId: string, time: string): Promise<number> {
  const upTo = sql`run_id = ${runId} and date_trunc('milliseconds', recorded_at) <= ${time}::timestamptz`
  const [row] = await sql<{ sequence: number }[]>`
    select coalesce(greatest((select max(sequence) from events where ${upTo}), (select max(sequence) from deltas where ${upTo})), 0)::bigint as sequence`
  return row!.sequence
}

/** The last sequence of a run's tool calls up to and including `time`; 0 when all came later. */
export async function toolCallsUpTo(sql: Db, runId: string, time: string): Promise<number> {
  const [row] = await sql<{ sequence: number }[]>`
    select coalesce(max(sequence), 0)::bigint as sequence from run_tool_calls
    where run_id = ${runId} and date_trunc('milliseconds', created_at) <= ${time}::timestamptz`
  return row!.sequence
}

/** The first sequence of a run's usage from `time` on; undefined when all of it came earlier. */
export async function usageFrom(sql: Db, runId: string, time: string): Promise<number | undefined> {
  const [row] = await sql<{ sequence: number | null }[]>`
    select min(sequence)::bigint as sequence from run_usage
    where run_id = ${runId} and date_trunc('milliseconds', created_at) >= ${time}::timestamptz`
  return row!.sequence ?? undefined
}

/** The first of a run's checkpoints from `time` on; undefined when all came earlier. */
export async function checkpointFrom(sql: Db, runId: string, time: string): Promise<number | undefined> {
  const [row] = await sql<{ number: number | null }[]>`
    select min(number) as number from run_checkpoints
    where run_id = ${runId} and date_trunc('milliseconds', created_at) >= ${time}::timestamptz`
  return row!.number ?? undefined
}
