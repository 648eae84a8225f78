// Claims: the head of a queue, shared by turns. The statement walks the lanes, never the backlog; see lanes.sql.ts.
import type { Actor } from '#core/event.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { newId } from '#postgres/id.ts'
import type { Db, Sql } from '#postgres/sql.ts'
import { LANES_MAX, type Lane, lanesOf } from './lanes.sql.ts'

export type Claim = {
  /** Only runs of this project: workers serve the project of their key, Runyard's own dispatch serves all. */
  projectId?: string | undefined
  queues: readonly string[]
  owner: string
  actor: Actor
  leaseSecs: number
  limit: number
  /** True when the attempt is yet to begin: the runs go to `dequeued`. */
  into: 'executing' | 'dequeued'
  /** Counts up with every claim of a claimer: whose turn it is among projects and jobs. */
  turn: number
  /** Where to go on when there are more lanes than one claim looks at. */
  after?: Lane | undefined
  /** 'strict': nothing is taken while jobs that this claim is not for have more urgent runs and room for them. */
  order: 'strict' | 'loose'
}

export type ClaimedRun = {
  runId: string
  projectId: string
  clientId: string | null
  jobId: string
  jobVersion: number
  queue: string
  attempt: number
  rank: number
  token: string
  queueWaitMs: number
  timeoutSecs: number
  correlationId: string
  agentId: string | null
  tags: Record<string, string>
  metadata: Record<string, string>
  debugMode: boolean
  traceparent: string | null
  createdAt: Date
  previousError: string | null
  payload: unknown
  checkpoint: { number: number; state: unknown; created_at: string } | null
  preset: string | null
  environment: Record<string, string> | null
}

export type Claimed = {
  runs: ClaimedRun[]
  /** Jobs with a limit that have runs waiting: only a claim that holds their lock may take those. */
  limitedJobs: string[]
  /** The last lane looked at, when there may be more of them. */
  after: Lane | undefined
  /** There were lanes to serve: if no run came of it, others were holding the heads of them just then. */
  contended: boolean
  /** More urgent runs of jobs that this claim was not for were left to another one, and others for their sake. */
  withheld: boolean
}

/** Claims runs of jobs without a concurrency limit. Concurrent callers never get the same run. */
export const claimRuns = (sql: Sql, claim: Claim): Promise<Claimed> => claimFrom(sql, claim, [])

/**
 * Claims runs of jobs with a limit. The running ones are counted from their leases under a lock per job, taken in a
 * statement of its own: a count in the same statement would not see what the lock's last holder committed.
 */
export async function claimLimitedRuns(sql: Sql, claim: Claim, jobIds: readonly string[]): Promise<Claimed> {
  return sql.begin(async (tx) => {
    const locked = await tx<{ job_id: string }[]>`
      select job_id from unnest(${jobIds as string[]}::uuid[]) as t (job_id)
      where pg_try_advisory_xact_lock(hashtextextended(job_id::text, 1))`
    return locked.length === 0
      ? { runs: [], limitedJobs: [], after: undefined, contended: false, withheld: false }
      : claimFrom(
          tx,
          claim,
          locked.map((row) => row.job_id),
        )
  }) as Promise<Claimed>
}

async function claimFrom(sql: Db, claim: Claim, limitedJobs: string[]): Promise<Claimed> {
  const ofLimited = limitedJobs.length > 0
  const started = claim.into === 'executing'
  const rows = await sql<Row[]>`
    with recursive ${lanesOf(sql, claim)}, known as materialized (
      select place.*, j.max_concurrency > 0 or j.max_concurrency_per_key > 0 as limited, j.max_concurrency, j.max_concurrency_per_key,
        case when ${ofLimited}::boolean then job_id = any(${limitedJobs}::uuid[]) else j.max_concurrency = 0 and j.max_concurrency_per_key = 0 end as mine
      from place join jobs j on j.id = place.job_id
      where j.paused_at is null and j.deleted_at is null
    ), weighed as materialized (
      -- What another claim has to take matters only where it is more urgent than what this one may take.
      select * from (select known.*, min(rank) filter (where mine) over (partition by project_id) as own_rank from known) all_known
      where mine or (${claim.order === 'strict'}::boolean and limited <> ${ofLimited}::boolean
        -- What has no limit has room for certain; the leases of other jobs are counted only where that may matter.
        and (limited = false or rank < own_rank))
    ), busy as materialized (
      select job_id, count(*) as n from leases
      where job_id = any(array(select distinct job_id from weighed where max_concurrency > 0)) group by job_id
    ), roomy as (
      select weighed.*,
        case when max_concurrency > 0 then max_concurrency - coalesce((select n from busy where busy.job_id = weighed.job_id), 0) end as job_room,
        case when max_concurrency_per_key > 0 and concurrency_key <> ''
          then max_concurrency_per_key - (select count(*) from leases l where l.job_id = weighed.job_id and l.concurrency_key = weighed.concurrency_key)
        end as key_room
      from weighed
    ), urgent as materialized (
      -- Priority counts within a project only: one project's urgent backlog is no reason to starve another's run.
      select roomy.*, min(rank) over (partition by project_id) as top_rank,
        bool_or(mine and not early) over (partition by project_id, rank) as in_view
      from roomy where coalesce(job_room, 1) > 0 and coalesce(key_room, 1) > 0
    ), shared as (
      -- What a limit leaves is split over the lanes that it covers; what does not divide goes round by turns.
      select urgent.*,
        job_room / count(*) over by_job + ((row_number() over (by_job order by queue, concurrency_key) + ${claim.turn}::bigint) % count(*) over by_job
          < job_room % count(*) over by_job)::int as job_share,
        key_room / count(*) over by_key + (row_number() over (by_key order by queue) <= key_room % count(*) over by_key)::int as key_share
      -- The lanes of the view have their turn now; earlier ones of the same rank had it, and will again.
      from urgent where rank = top_rank and mine and (not early or not in_view)
      window by_job as (partition by job_id), by_key as (partition by job_id, concurrency_key)
    ), numbered as (
      select shared.*, coalesce(least(job_share, key_share), ${claim.limit}::bigint) as lane_room,
        dense_rank() over (order by project_id) as project_number,
        row_number() over (partition by project_id order by job_id, queue, concurrency_key) as lane_number,
        count(*) over (partition by project_id) as lanes
      from shared where coalesce(least(job_share, key_share), 1) > 0
    ), turned as (
      select numbered.*, (project_number + ${claim.turn}::bigint) % max(project_number) over () as project_turn,
        (lane_number + ${claim.turn}::bigint / max(project_number) over ()) % lanes as lane_turn
      from numbered
    ), served as materialized (
      -- No more lanes than runs are wanted: a row that is locked here and not taken is hidden from everybody else.
      select line.*, count(*) over () as lanes_served
      from (
        select turned.*, row_number() over (partition by project_id order by lane_turn) as nth_of_project from turned
        order by nth_of_project, project_turn limit ${claim.limit}::int
      ) line
    ), picked as materialized (
      select head.run_id, head.due_at, head.agent_id, served.project_id, served.project_turn, served.lane_turn
      from served cross join lateral (
        select q.run_id, q.due_at, q.agent_id from run_queue q
        where q.ready and q.queue = served.queue and q.project_id = served.project_id and q.rank = served.rank
          and q.job_id = served.job_id and q.concurrency_key = served.concurrency_key
        order by q.due_at, q.run_id
        limit least(served.lane_room, ceil(${claim.limit}::numeric / served.lanes_served))::bigint
        for update skip locked) head
    ), chosen as materialized (
      select p.run_id, p.due_at, p.project_id, p.agent_id, row_number() over (order by nth, project_turn, lane_turn) as ord
      from (select picked.*, row_number() over (partition by project_turn order by lane_turn, due_at, run_id) as nth from picked) p
      order by nth, project_turn, lane_turn
      limit ${claim.limit}::int
    ), free as materialized (
      -- A run that somebody is moving this very moment is left alone: to wait for it here, holding its place in the
      -- queue, could make a circle with a cancel that holds the run and wants its place.
      -- One look-up each, whatever the statistics say: a join may be planned as a walk through all queued runs.
      select s.run_id, c.ord, c.due_at from (select * from chosen order by run_id) c cross join lateral (
        select run_id from run_states s where s.run_id = c.run_id and s.state = 'queued'
          -- A run of an agent that was switched off this moment is held in the next one.
          and (c.agent_id is null or not exists (select from agents a where a.project_id = c.project_id and a.id = c.agent_id and not a.enabled))
        for update of s skip locked) s
    ), taken as (
      delete from run_queue where run_id = any(array(select run_id from free))
    ), moved as materialized (
      update run_states s
      set state = ${claim.into}::text, state_since = clock_timestamp(), last_sequence = s.last_sequence + 1, lease_token = gen_random_uuid(),
        started_at = case when ${started}::boolean then clock_timestamp() end,
        queue_wait_ms = greatest(0, extract(epoch from clock_timestamp() - free.due_at) * 1000)
      from free where s.run_id = free.run_id
      returning s.run_id, free.ord, s.attempt, s.last_sequence, s.lease_token, s.queue_wait_ms, case when s.last_checkpoint > s.checkpoint_floor then s.last_checkpoint else 0 end as last_checkpoint, s.error, s.state, 'queued' as state_before
    ), joined as materialized (
      select m.*, r.project_id, r.client_id, r.job_id, r.job_version, r.queue, r.concurrency_key, r.rank, r.correlation_id, r.agent_id, r.tags,
        r.metadata, r.debug_mode, r.traceparent, r.timeout_secs, r.created_at, r.preset, r.environment, ${started ? 'run.started' : 'run.dequeued'}::text as type,
        ${claim.actor.type}::text as actor_type, ${claim.actor.id}::text as actor_id, null::text as resource_type, date_trunc('milliseconds', clock_timestamp()) as occurred_at
      from moved m join runs r on r.id = m.run_id
    ), leased as (
      insert into leases (run_id, project_id, job_id, concurrency_key, token, owner, lease_secs, claimed_at, heartbeat_at, created_at, expires_at, deadline_at)
      select run_id, project_id, job_id, concurrency_key, lease_token, ${claim.owner}::text, ${claim.leaseSecs}::int, clock_timestamp(), clock_timestamp(), created_at,
        clock_timestamp() + least(${claim.leaseSecs}::int, case when ${started}::boolean then timeout_secs end) * interval '1 s',
        case when ${started}::boolean then clock_timestamp() + timeout_secs * interval '1 s' end
      from joined
    ), tallied as materialized (${tally(sql, 'joined')}
    ), counted as (${countMoves(sql, 'tallied')}
    ), counted_events as (${countRunEvents(sql, 'tallied')}
    ), logged as (
      insert into events (id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, run_id, run_ref, sequence, attempt, agent_id)
      select (${Array.from({ length: claim.limit }, newId)}::uuid[])[ord], project_id, type, occurred_at, actor_type, actor_id, correlation_id,
        run_id, client_id, last_sequence, attempt, agent_id
      from joined
    )
    select j.run_id, j.project_id, j.client_id, j.job_id, j.job_version, j.queue, j.attempt, j.rank, j.lease_token as token, j.queue_wait_ms,
      j.timeout_secs, j.correlation_id, j.agent_id, j.tags, j.metadata, j.debug_mode, j.traceparent, j.created_at, j.error as previous_error,
      b.payload, c.checkpoint, j.preset, j.environment, null::uuid[] as limited_jobs, 0 as candidates, false as withheld, null::jsonb as after
    from joined j
    left join run_bodies b on b.run_id = j.run_id
    left join lateral (
      select jsonb_build_object('number', number, 'state', state, 'created_at', created_at) as checkpoint
      from run_checkpoints k where k.run_id = j.run_id and k.number = j.last_checkpoint) c on j.last_checkpoint > 0
    union all
    select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
      (select array_agg(distinct job_id) from known where limited), (select count(*) from served)::int,
      exists (select from urgent where rank = top_rank and not mine),
      (select jsonb_build_object('projectId', project_id, 'rank', rank, 'jobId', job_id, 'concurrencyKey', concurrency_key) from lane where n = ${LANES_MAX}::int
        order by project_id, rank, job_id, concurrency_key limit 1)`
  const summary = rows.at(-1)!
  const runs = rows.slice(0, -1).map(claimed)
  return {
    runs,
    limitedJobs: summary.limited_jobs ?? [],
    after: summary.after ?? undefined,
    contended: runs.length === 0 && summary.candidates > 0,
    withheld: summary.withheld,
  }
}

type Row = {
  run_id: string
  project_id: string
  client_id: string | null
  job_id: string
  job_version: number
  queue: string
  attempt: number
  rank: number
  token: string
  queue_wait_ms: number
  timeout_secs: number
  correlation_id: string
  agent_id: string | null
  tags: Record<string, string>
  metadata: Record<string, string>
  debug_mode: boolean
  traceparent: string | null
  created_at: Date
  previous_error: string | null
  payload: unknown
  checkpoint: ClaimedRun['checkpoint']
  preset: string | null
  environment: Record<string, string> | null
  limited_jobs: string[] | null
  candidates: number
  withheld: boolean
  after: Lane | null
}

const claimed = (row: Row): ClaimedRun => ({
  runId: row.run_id,
  projectId: row.project_id,
  clientId: row.client_id,
  jobId: row.job_id,
  jobVersion: row.job_version,
  queue: row.queue,
  attempt: row.attempt,
  rank: row.rank,
  token: row.token,
  queueWaitMs: row.queue_wait_ms,
  timeoutSecs: row.timeout_secs,
  correlationId: row.correlation_id,
  agentId: row.agent_id,
  tags: row.tags,
  metadata: row.metadata,
  debugMode: row.debug_mode,
  traceparent: row.traceparent,
  createdAt: row.created_at,
  previousError: row.previous_error,
  payload: row.payload,
  checkpoint: row.checkpoint,
  preset: row.preset,
  environment: row.environment,
})
