// What rules count that no other statement counts yet. Each is bounded, whatever the size of the log.
import { FAILURE_EVENTS, FAILURE_STATES, RUN_MOVES } from '#core/run.ts'
import type { Db } from '#postgres/sql.ts'

/** Beyond it a number is large enough, and counting on would cost more than it tells. */
const COUNT_MAX = 100_000

type Ended = { projectId: string; windowSecs: number; job: string | null }

const ofJob = (sql: Db, projectId: string, job: string | null) =>
  job === null
    ? sql``
    : sql`and exists (
        select from runs r
        join jobs j on j.id = r.job_id
        where r.id = e.run_id and j.project_id = ${projectId} and (j.slug = ${job} or j.id::text = lower(${job}))
      )`

const within = (sql: Db, windowSecs: number) => sql`
  e.occurred_at >= clock_timestamp() - ${windowSecs}::float8 * interval '1 s'
    -- Partitions before it are not looked at.
    and e.recorded_at >= clock_timestamp() - ${windowSecs}::float8 * interval '1 s'`

export async function countDeadLetters(sql: Db, { projectId, windowSecs, job }: Ended): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n
    from (
      select from events e
      where e.project_id = ${projectId}
        and e.type = 'run.dead_lettered'
        and ${within(sql, windowSecs)} ${ofJob(sql, projectId, job)}
      limit ${COUNT_MAX}
    ) found`
  return row!.n
}

/** Of the latest events of the project, whatever they are: enough to tell a rate. */
const SAMPLE_MAX = 50_000

export async function countEnded(
  sql: Db,
  { projectId, windowSecs, job }: Ended,
): Promise<{ ended: number; failed: number }> {
  const [row] = await sql<{ ended: number; failed: number }[]>`
    select count(*)::int as ended, (count(*) filter (where type <> ${RUN_MOVES.complete.event}))::int as failed
    from (
      select e.type
      from (
        select e.type, e.run_id from events e
        where e.project_id = ${projectId} and ${within(sql, windowSecs)}
        order by e.occurred_at desc, e.position desc limit ${SAMPLE_MAX}
      ) e
      where e.type = any(${[...FAILURE_EVENTS, RUN_MOVES.complete.event]}::text[]) ${ofJob(sql, projectId, job)}
    ) found`
  return row!
}

/** In the whole hours of `pastDays` that were over when the window began, from counters. */
export async function countEndedBefore(
  sql: Db,
  { projectId, windowSecs, pastDays, job }: Ended & { pastDays: number },
): Promise<{ ended: number; failed: number }> {
  const states = [...FAILURE_STATES, RUN_MOVES.complete.to]
  const [row] = await sql<{ ended: number; failed: number }[]>`
    select
      coalesce(sum(n), 0)::float8 as ended,
      coalesce(sum(n) filter (where state <> ${RUN_MOVES.complete.to}), 0)::float8 as failed
    from end_counts
    cross join (select clock_timestamp() - ${windowSecs}::float8 * interval '1 s' as until) span
    where project_id = ${projectId}
      and hour >= span.until - ${pastDays}::int * interval '1 day'
      and hour <= span.until - interval '1 hour'
      and state = any(${states}::text[])
      ${
        job === null
          ? sql``
          : sql`and job_id in (
              select j.id from jobs j
              where j.project_id = ${projectId} and (j.slug = ${job} or j.id::text = lower(${job}))
            )`
      }`
  return row!
}

/** Undefined when nobody is asked anything. */
export async function readOldestQuestion(
  sql: Db,
  projectId: string,
): Promise<{ ageSecs: number; prompt: string } | undefined> {
  const [row] = await sql<{ ageSecs: number; prompt: string }[]>`
    select extract(epoch from clock_timestamp() - created_at)::float8 as "ageSecs", prompt
    from input_requests
    where project_id = ${projectId} and state = 'pending'
    order by created_at, id limit 1`
  return row
}

export const readDisabledAgents = async (
  sql: Db,
  { projectId, agent, limit }: { projectId: string; agent: string | null; limit: number },
): Promise<{ id: string }[]> => [
  ...(await sql<{ id: string }[]>`
    select id from agents
    where project_id = ${projectId} and not enabled ${agent === null ? sql`` : sql`and id = ${agent}`}
    order by id limit ${limit}::int`),
]

export const readDisabledWebhooks = async (
  sql: Db,
  projectId: string,
  limit: number,
): Promise<{ id: string; name: string }[]> => [
  ...(await sql<{ id: string; name: string }[]>`
    select id, name from webhooks where project_id = ${projectId} and disabled_at is not null
    order by created_at, id limit ${limit}::int`),
]
