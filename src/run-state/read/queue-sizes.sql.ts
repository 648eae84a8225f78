// How many runs each queue has in each state, over all projects.
import type { Db } from '#postgres/sql.ts'

/** Stands for all queues beyond those that are told by name; clients cannot name a queue so. */
export const OTHER_QUEUES = '@other'

export type QueueSize = { queue: string; state: string; n: number }

/** From counters. The largest queues by name, all others together. */
export const readQueueSizes = async (sql: Db, queuesMax: number): Promise<QueueSize[]> => [
  ...(await sql<QueueSize[]>`
    with sizes as materialized (
      select queue, state, sum(n)::bigint as n from run_counts group by queue, state having sum(n) <> 0
    ), largest as (
      select queue from sizes group by queue order by sum(n) desc, queue limit ${queuesMax}
    )
    select coalesce(l.queue, ${OTHER_QUEUES}::text) as queue, s.state, sum(s.n)::bigint as n
    from sizes s left join largest l using (queue) group by 1, 2`),
]
