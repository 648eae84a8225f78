// What waits for a time: runs that become due, runs that wait too long. Both are found by an index that holds
// nothing else.
import type { Db } from '#postgres/sql.ts'

export type DueRun = {
  id: string
  queue: string
  /** Its job depends on others, which the run has not been asked about. */
  dependent: boolean
}

/** Delayed runs that are due, earliest first. A run that was begun before is past its dependencies. */
export const readDueRuns = async (sql: Db, limit: number): Promise<DueRun[]> => [
  ...(await sql<DueRun[]>`
    select
      run_id as id,
      queue,
      coalesce((select dependencies > 0 from jobs where jobs.id = job_id), false)
        and (select attempt = 1 from run_states s where s.run_id = due.run_id) as dependent
    from (
      select run_id, queue, job_id, due_at from run_queue
      where not ready and due_at <= clock_timestamp()
      order by due_at limit ${limit}
    ) due
    order by due_at`),
]

/** Runs whose time to live is over before they began. */
export const readExpiredRuns = async (sql: Db, limit: number): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      select run_id as id from run_queue where expires_at <= clock_timestamp() order by expires_at limit ${limit}`
  ).map((row) => row.id)

/** Milliseconds until the next of them; undefined when nothing waits for a time. */
export async function nextTimerInMs(sql: Db): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select extract(epoch from least(
      (select min(due_at) from run_queue where not ready),
      (select min(expires_at) from run_queue where expires_at is not null)
    ) - clock_timestamp())::float8 * 1000 as ms`
  return row?.ms ?? undefined
}

/** Milliseconds until the next cron is due; undefined when no job has one. */
export async function nextCronInMs(sql: Db): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select extract(epoch from min(next_cron_at) - clock_timestamp())::float8 * 1000 as ms
    from jobs
    where next_cron_at is not null`
  return row?.ms ?? undefined
}
