// When somebody last asked for runs of a queue. Nothing depends on it but the answer to "why does this run not begin?".
import type { Db } from '#postgres/sql.ts'

/** Whose dispatch serves all projects, as no project is named. */
const ALL_PROJECTS = ''
/** Names of queues are the callers' own, and they may make up as many as they like. */
const QUEUES_OF_PROJECT_MAX = 1_000
const KEPT_DAYS = 1

/** `projectId` is undefined for Runyard's own dispatch. */
export type Asking = { projectId: string | undefined; queues: readonly string[] }

export const noteAsking = (sql: Db, { projectId = ALL_PROJECTS, queues }: Asking) => sql`
  insert into queue_claimers (project_id, queue, asked_at)
  select ${projectId}::text, asked.queue, clock_timestamp() from unnest(${queues as string[]}::text[]) as asked (queue)
  where (select count(*) from queue_claimers where project_id = ${projectId}::text) < ${QUEUES_OF_PROJECT_MAX}
    or exists (
      select from queue_claimers known where known.project_id = ${projectId}::text and known.queue = asked.queue
    )
    -- In one order everywhere, or two nodes could wait for each other's rows.
    
  order by asked.queue
  on conflict (project_id, queue) do update set asked_at = excluded.asked_at
  where queue_claimers.asked_at < excluded.asked_at`

export type LastAsked = {
  /** Undefined when nobody has asked within a day. */
  at: Date | undefined
  agoMs: number
  /** Somebody executes runs of this queue right now: an executor with full hands does not ask for more. */
  isWorkedOn: boolean
}

/** `projectId` is undefined for the queue of Runyard's own dispatch. */
export async function readLastAsked(
  sql: Db,
  { projectId, queue }: { projectId: string | undefined; queue: string },
): Promise<LastAsked> {
  const ofProject = projectId === undefined ? sql`` : sql`and l.project_id = ${projectId}`
  const [row] = await sql<{ at: Date | null; agoMs: number | null; isWorkedOn: boolean }[]>`
    select
      asked.at,
      asked."agoMs",
      exists (select from leases l join runs r on r.id = l.run_id where r.queue = ${queue} ${ofProject}) as "isWorkedOn"
    from (select 1) as one
    left join (
      select asked_at as at, (extract(epoch from clock_timestamp() - asked_at) * 1000)::float8 as "agoMs"
      from queue_claimers
      where project_id = ${projectId ?? ALL_PROJECTS} and queue = ${queue}
    ) asked on true`
  return {
    at: row!.at ?? undefined,
    agoMs: row!.agoMs ?? Number.POSITIVE_INFINITY,
    isWorkedOn: row!.isWorkedOn,
  }
}

export async function deleteSilentClaimers(sql: Db, limit: number): Promise<number> {
  const deleted = await sql`
    delete from queue_claimers where (project_id, queue) in (
      select project_id, queue from queue_claimers where asked_at < now() - ${KEPT_DAYS} * interval '1 day'
      order by asked_at limit ${limit} for update skip locked)`
  return deleted.count
}
