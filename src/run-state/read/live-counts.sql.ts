// Whether jobs have runs under way, from the counters: whatever their past, it costs the same.
import { ACTIVE_STATES } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'

/** `delayed` runs wait for a time: that of a retry, or one that somebody chose. */
export type LiveCount = { jobId: string; underWay: number; delayed: number }

/** Only jobs that have some. */
export const readLiveCounts = async (sql: Db, jobIds: readonly string[]): Promise<LiveCount[]> => [
  ...(await sql<LiveCount[]>`
    select job_id as "jobId", coalesce(sum(n) filter (where state <> 'delayed'), 0)::bigint as "underWay",
      coalesce(sum(n) filter (where state = 'delayed'), 0)::bigint as delayed
    from run_counts
    where job_id = any(${jobIds as string[]}::uuid[]) and state = any(${ACTIVE_STATES as string[]}::text[])
    group by job_id having sum(n) > 0`),
]
