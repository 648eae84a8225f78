// Deleting what is old, a bounded batch at a time: no statement here holds a lock or a snapshot for long.
import { FINAL_STATES, OVER_STATES } from '#core/run.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { deleteLabels } from '#run-state/labels.sql.ts'

/** How far a walk through the old runs of each project has come. Who comes again with it goes on from there. */
export type Walk = Map<string, { createdAt: Date; id: string }>

/** Runs that one statement looks at; of these some were over too late, or live on. */
const LOOKED_MAX = 1_000

type Page = { n: number; createdAt: Date | null; id: string | null; looked: number }

/**
 * Takes pages of runs from the oldest on until `limit` of them went. No index knows when runs ended, because their
 * moves would pay for it: a run that ended long ago was created before, and by creation there is an index per project.
 */
async function walkOldRuns(
  sql: Db,
  { days, limit, walk }: { days: number; limit: number; walk: Walk },
  take: (looked: Fragment, limit: number) => Fragment,
): Promise<number> {
  const projects = await sql<{ id: string }[]>`
    select id from projects p
    where exists (
      select from runs
      where project_id = p.id and created_at < now() - ${days}::float8 * interval '1 day')
    order by id`
  let taken = 0
  for (const { id: projectId } of projects) {
    for (let looked = LOOKED_MAX; looked === LOOKED_MAX && taken < limit; ) {
      const page = await takePage(sql, { projectId, days, after: walk.get(projectId) }, (runs) =>
        take(runs, limit - taken),
      )
      taken += page.n
      looked = page.looked
      // A page of which more could be taken is looked at again.
      if (taken < limit && page.createdAt && page.id) walk.set(projectId, { createdAt: page.createdAt, id: page.id })
    }
  }
  return taken
}

type Place = { projectId: string; days: number; after: { createdAt: Date; id: string } | undefined }

async function takePage(sql: Db, { projectId, days, after }: Place, take: (runs: Fragment) => Fragment): Promise<Page> {
  const beyond = after ? sql`and (created_at, id) > (${after.createdAt}::timestamptz, ${after.id}::uuid)` : sql``
  const [page] = await sql<Page[]>`
    with looked as materialized (
      select id, created_at, parent_run_id from runs
      where project_id = ${projectId} and created_at < now() - ${days}::float8 * interval '1 day' ${beyond}
      order by created_at, id limit ${LOOKED_MAX}
    ), ${take(sql`looked`)}, last as (
      select created_at, id from looked order by created_at desc, id desc limit 1
    )
    select (select count(*)::int from taken) as n, (select count(*)::int from looked) as looked,
      last.created_at as "createdAt", last.id
    from (select) always left join last on true`
  return page!
}

/**
 * A run that is not over for good may still ask for the runs that it has spawned, and go on only with what became of
 * them: so they stay as long as it may. `parentId` is a column.
 */
const isNeeded = (sql: Db, parentId: Fragment): Fragment => sql`
  exists (
    select from run_states parent
    where parent.run_id = ${parentId} and parent.state <> all(${FINAL_STATES as string[]}::text[]))`

/**
 * Deletes the bodies of runs that ended more than `days` ago, and returns how many. Dead letters keep theirs, or a
 * redrive would run them without a payload; so do children whose results their parent may still ask for.
 */
export const dropOldPayloads = (sql: Db, days: number, limit: number, walk: Walk = new Map()): Promise<number> =>
  walkOldRuns(
    sql,
    { days, limit, walk },
    (looked, most) => sql`
      taken as (
        delete from run_bodies where run_id in (
          select b.run_id from ${looked} cross join lateral (
            select run_id from run_bodies where run_id = looked.id offset 0) b
          where (
            select state = any(${FINAL_STATES as string[]}::text[])
              and finished_at < now() - ${days}::float8 * interval '1 day'
            from run_states where run_id = looked.id)
            and not ${isNeeded(sql, sql`looked.parent_run_id`)}
          limit ${most})
        returning 1
      )`,
  )

/**
 * Deletes runs that were over more than `days` ago, with all that they left; their events stay for their own time, and
 * children as long as their parents need them.
 */
export const deleteOldRuns = (sql: Db, days: number, limit: number, walk: Walk = new Map()): Promise<number> =>
  walkOldRuns(
    sql,
    { days, limit, walk },
    (looked, most) => sql`
      old as materialized (
        select
          s.run_id, s.state as state_before,
          r.id, r.project_id, r.queue, r.job_id, r.tags, r.metadata, r.created_at
        from ${looked} join run_states s on s.run_id = looked.id join runs r on r.id = looked.id
        where s.state = any(${OVER_STATES as string[]}::text[])
          and s.finished_at < now() - ${days}::float8 * interval '1 day'
          and not ${isNeeded(sql, sql`r.parent_run_id`)}
        limit ${most} for update of s skip locked
      ), labels as (${deleteLabels(sql, 'old')}
      ), bodies as (delete from run_bodies where run_id in (select old.run_id from old)
      ), checkpoints as (delete from run_checkpoints where run_id in (select old.run_id from old)
      ), calls as (delete from run_tool_calls where run_id in (select old.run_id from old)
      ), used as (delete from run_usage where run_id in (select old.run_id from old)
      ), summed as (delete from run_usage_sums where run_id in (select old.run_id from old)
      ), spent as (
        delete from spend_sums b using old
        where b.project_id = old.project_id and b.kind = 'run' and b.name = old.run_id::text and b.day = '-infinity'
      ), outputs as (delete from run_outputs where run_id in (select old.run_id from old)
      ), kept as (delete from run_values where run_id in (select old.run_id from old)
      ), asked_for as (delete from input_requests where run_id in (select old.run_id from old)
      ), dispatches as (delete from run_dispatches where run_id in (select old.run_id from old)
      ), keys as (delete from idempotency_keys where run_id in (select old.run_id from old)
      ), asked as (delete from runs where id in (select old.run_id from old)
      ), counted as (
        insert into run_counts as c (project_id, queue, job_id, state, shard, n)
        select project_id, queue, coalesce(job_id, '00000000-0000-0000-0000-000000000000'), state_before,
          pg_backend_pid() % 64, -count(*)
        from old group by 1, 2, 3, 4 order by 1, 2, 3, 4
        on conflict (project_id, queue, job_id, state, shard) do update set n = c.n + excluded.n
      ), taken as (delete from run_states where run_id in (select old.run_id from old) returning 1)`,
  )

/** Batches that were triggered more than `days` ago, most of whose runs are gone. */
export async function deleteOldBatches(sql: Db, days: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from batches where id in (
      select batches.id from batches where created_at < now() - ${days}::float8 * interval '1 day' limit ${limit})
    returning 1`
  return rows.length
}

/** Deletes decisions about calls, and questions of no run, that are older than `days`; the sums of calls stay. */
export async function deleteOldDecisions(sql: Db, days: number, limit: number): Promise<number> {
  const decisions = await sql`
    delete from authorizations
    where id in (
      select authorizations.id from authorizations
      where created_at < now() - ${days}::float8 * interval '1 day' and state <> 'asked'
      order by created_at limit ${limit}
    )
    returning 1`
  const questions = await sql`
    delete from input_requests
    where id in (
      select input_requests.id from input_requests
      where answered_at < now() - ${days}::float8 * interval '1 day' and run_id is null
      order by answered_at limit ${limit}
    )
    returning 1`
  return Math.max(decisions.length, questions.length)
}

/** Resources that no event has named for so long that none of those that did is kept; partitions end within a week. */
export async function deleteUnseenResources(sql: Db, eventsDays: number, limit: number): Promise<number> {
  const rows = await sql`
    delete from resources
    where (project_id, type, id) in (
      select project_id, type, id from resources
      where seen_at < now() - (${eventsDays}::float8 + 10) * interval '1 day'
      limit ${limit}
    )
    -- Asked again of the row as it is when it is locked: an event may have named it meanwhile.
    and seen_at < now() - (${eventsDays}::float8 + 10) * interval '1 day'
    returning 1`
  return rows.length
}

/** Idempotency keys, kept replies and event ids whose time is over. */
export async function deleteStaleKeys(sql: Db, limit: number): Promise<number> {
  const keys = await sql`
    delete from idempotency_keys
    where (job_id, key) in (select job_id, key from idempotency_keys where expires_at < now() limit ${limit})
    returning 1`
  const replies = await sql`
    delete from kept_replies
    where (project_id, key) in (select project_id, key from kept_replies where expires_at < now() limit ${limit})
    returning 1`
  const ids = await sql`
    delete from event_ids where (project_id, id) in (
      select project_id, id from event_ids where recorded_at < now() - interval '90 days' limit ${limit}) returning 1`
  return Math.max(keys.length, replies.length, ids.length)
}
