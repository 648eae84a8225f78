// Who executes runs of a project at this moment: whoever holds a lease, and who asked for runs of which queue last.
import type { Db } from '#postgres/sql.ts'

export type WorkerRow = {
  id: string
  /** Runyard itself calls the endpoints of jobs, on one of its nodes. */
  isNode: boolean
  queues: string[]
  held: number
  runIds: string[]
  oldestClaimAt: Date
  seenAt: Date
}

const RUNS_SHOWN = 10

/** Those with the most leases first. */
export const listWorkers = async (sql: Db, projectId: string, limit: number): Promise<WorkerRow[]> => [
  ...(await sql<WorkerRow[]>`
    select l.owner as id,
      r.queue = '@http' as "isNode",
      array_agg(distinct r.queue order by r.queue) as queues,
      count(*)::int as held,
      (array_agg(r.id::text order by l.claimed_at, r.id))[1:${RUNS_SHOWN}::int] as "runIds",
      min(l.claimed_at) as "oldestClaimAt",
      max(l.heartbeat_at) as "seenAt"
    from leases l join runs r on r.id = l.run_id
    where l.project_id = ${projectId}
    group by 1, 2
    order by held desc, id, "isNode"
    limit ${limit}`),
]

export type ClaimedQueue = { queue: string; askedAt: Date }

/** Queues whose runs somebody asked for within a day, the latest first. */
export const listClaimedQueues = async (sql: Db, projectId: string, limit: number): Promise<ClaimedQueue[]> => [
  ...(await sql<ClaimedQueue[]>`
    select queue, asked_at as "askedAt" from queue_claimers
    where project_id = ${projectId}
    order by asked_at desc, queue
    limit ${limit}`),
]
