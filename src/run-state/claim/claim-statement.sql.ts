// The statements of a claim, told in this order: walk the lanes, weigh and share them, lock the heads whose turn it is,
// move their runs, give out leases, count, write the log, and answer.
import type { Actor } from '#core/event.ts'
import type { Json } from '#core/json/json.ts'
import { RUN_MOVES } from '#core/run.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { type Columns, slotRowsOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { slot, statement } from '#postgres/statement.ts'
import { LANES_MAX, type Lane, lanesOf, laneWalk, type View } from './lanes.sql.ts'
import { jobOf, type Kind, turnsOf } from './turns.sql.ts'

/** Those who claim together; see `Seat`. */
export const CLAIMERS: Columns<{ owner: string; actor: Actor; leaseSecs: number }> = {
  'owner text': (it) => it.owner,
  'actor_type text': (it) => it.actor.type,
  'actor_id text': (it) => it.actor.id,
  'lease_secs int': (it) => it.leaseSecs,
}

export type ClaimedRun = {
  /** The seat that it fills, from 1. */
  seat: number
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
  payload: Json | null
  checkpoint: { number: number; state: Json | null; createdAt: Date } | null
  preset: string | null
  environment: Record<string, string> | null
}

/** What there was to claim from, in every row of the answer. */
export type ClaimSummary = {
  limitedJobs: string[] | null
  candidates: number
  withheld: boolean
  lastLane: Lane | null
  /** One lane at most, of a job without a limit: the short statement does for the next claim. */
  isSimple: boolean
}

/** At least one row; it tells of no run when nothing was claimed. */
export type ClaimRow = ((Omit<ClaimedRun, 'checkpoint'> & Checkpoint) | { runId: null }) & ClaimSummary

/** Of an attempt that goes on from one. */
type Checkpoint = { checkpointNumber: number | null; checkpointState: Json | null; checkpointAt: Date }

/** True when the attempt is yet to begin: the runs go to `dequeued`. */
export type Into = 'executing' | 'dequeued'
export type Shape = View & Kind & { into: Into }

const made = new Map<string, ReturnType<typeof statement<ClaimRow>>>()

/** One text for each shape of claim: whose lanes, from where, of which jobs, and into what. */
export function claimStatement(shape: Shape): ReturnType<typeof statement<ClaimRow>> {
  const { ofProject, fromMiddle, ofLimited, order, into } = shape
  const name = [ofProject, fromMiddle, ofLimited, order, into].join()
  const known = made.get(name) ?? statement<ClaimRow>((sql) => wholeClaim(sql, shape))
  made.set(name, known)
  return known
}

/** For a queue in which one lane is open, of a job without a limit: there is nothing to share. */
export function simpleClaimStatement(shape: Pick<Shape, 'ofProject' | 'into'>): ReturnType<typeof statement<ClaimRow>> {
  const name = ['simple', shape.ofProject, shape.into].join()
  const known = made.get(name) ?? statement<ClaimRow>((sql) => simpleClaim(sql, shape))
  made.set(name, known)
  return known
}

const wholeClaim = (sql: Db, shape: Shape): Fragment => sql`
  with recursive ${lanesOf(sql, shape)},
    ${turnsOf(sql, shape)},
    ${effects(sql, shape.into)},
    ${shape.ofLimited ? sql`marked as (${startMarks(sql)}),` : sql``}
    summary as (
      select
        (select array_agg(distinct job_id) from known where limited) as "limitedJobs",
        (select count(*)::int from served) as candidates,
        exists (select from urgent where rank = top_rank and not mine) as withheld,
        (
          select jsonb_build_object(
            'projectId', project_id, 'rank', rank, 'jobId', job_id, 'concurrencyKey', concurrency_key)
          from lane where n = ${sql.unsafe(String(LANES_MAX))}
          order by project_id, rank, job_id, concurrency_key limit 1
        ) as "lastLane",
        (select count(*) from place) <= 1 and not exists (select from known where limited) as "isSimple"
    )
    ${answer(sql)}`

const simpleClaim = (sql: Db, { ofProject, into }: Pick<Shape, 'ofProject' | 'into'>): Fragment => sql`
  with recursive lane as (${laneWalk(sql, { ofProject }, 2)}),
    known as materialized (
      select
        lane.*,
        j.paused_at is null and j.deleted_at is null as open,
        j.limited
      from lane cross join lateral (${jobOf(sql, 'lane')}) j
    ),
    served as materialized (
      select * from known where open and not limited and (select count(*) from lane) = 1
    ),
    chosen as materialized (
      select head.*, served.project_id, row_number() over (order by head.due_at, head.run_id) as ord
      from served cross join lateral (
        select q.run_id, q.due_at, q.agent_id from run_queue q
        where q.ready and q.queue = served.queue and q.project_id = served.project_id and q.rank = served.rank
          and q.job_id = served.job_id and q.concurrency_key = served.concurrency_key
        order by q.due_at, q.run_id
        limit ${slot(sql, 'limit')}::int
        for update skip locked
      ) head
    ),
    ${effects(sql, into)},
    summary as (
      select
        null::uuid[] as "limitedJobs",
        (select count(*)::int from served) as candidates,
        false as withheld,
        null::jsonb as "lastLane",
        (select count(*) from lane) <= 1 and not exists (select from known where limited) as "isSimple"
    )
    ${answer(sql)}`

/** From the runs that are `chosen` to their leases and events. */
const effects = (sql: Db, into: Into): Fragment => sql`
    free as materialized (${freeRuns(sql)}),
    moved as materialized (${movedRuns(sql, into)}),
    taken as (delete from run_queue where run_id = any(array(select moved.run_id from moved))),
    joined as materialized (${joinedRuns(sql, into)}),
    leased as (${leases(sql, into)}),
    tallied as materialized (${tally(sql, 'joined')}),
    counted as (${countMoves(sql, 'tallied')}),
    counted_events as (${countRunEvents(sql, 'tallied')}),
    logged as (
      insert into events (
        id, project_id, type, occurred_at, actor_type, actor_id, correlation_id,
        run_id, run_ref, sequence, attempt, agent_id)
      select
        (${slot(sql, 'event_ids')}::uuid[])[ord], project_id, type, occurred_at, actor_type, actor_id, correlation_id,
        run_id, client_id, last_sequence, attempt, agent_id
      from joined
    )`

/**
 * A run that somebody is moving this very moment is left alone: to wait for it here, holding its place in the queue,
 * could make a circle with a cancel that holds the run and wants its place. One look-up each, whatever the statistics
 * say: a join may be planned as a walk through all queued runs.
 */
const freeRuns = (sql: Db): Fragment => sql`
  select s.run_id, s.place, c.ord, c.due_at
  from (select * from chosen order by run_id) c cross join lateral (
    select s.run_id, s.ctid as place from run_states s
    where s.run_id = c.run_id and s.state = 'queued'
      -- A run of an agent that was switched off this moment is held in the next one.
      and (c.agent_id is null or not exists (
        select from agents a where a.project_id = c.project_id and a.id = c.agent_id and not a.enabled))
    for update of s skip locked
  ) s`

const movedRuns = (sql: Db, into: Into): Fragment => sql`
  update run_states s set
    state = ${sql.unsafe(`'${into}'`)},
    state_since = clock_timestamp(),
    last_sequence = s.last_sequence + 1,
    lease_token = gen_random_uuid(),
    started_at = ${into === 'executing' ? sql`clock_timestamp()` : sql`null`},
    queue_wait_ms = greatest(0, extract(epoch from clock_timestamp() - f.due_at) * 1000)
  from free f
  -- From where it was locked, not looked up again: by its id the planner may walk through all states for it. A row
  -- that was written since this statement began is not visible there: its run is left in the queue for the next claim.
  where s.ctid = f.place
  returning
    s.run_id, f.ord, s.attempt, s.last_sequence, s.lease_token, s.queue_wait_ms, s.error, s.state,
    case when s.last_checkpoint > s.checkpoint_floor then s.last_checkpoint else 0 end as last_checkpoint`

const joinedRuns = (sql: Db, into: Into): Fragment => {
  const type = into === 'executing' ? RUN_MOVES.start.event : RUN_MOVES.buffer.event
  return sql`
  select
    m.*, 'queued' as state_before,
    r.project_id, r.client_id, r.job_id, r.job_version, r.queue, r.concurrency_key, r.rank, r.correlation_id,
    r.agent_id, r.tags, r.metadata, r.debug_mode, r.traceparent, r.timeout_secs, r.created_at, r.preset,
    r.environment,
    claimer.owner, claimer.lease_secs, claimer.actor_type, claimer.actor_id,
    ${sql.unsafe(`'${type}'::text`)} as type,
    date_trunc('milliseconds', clock_timestamp()) as occurred_at
  from moved m
  cross join lateral (select * from runs where id = m.run_id offset 0) r
  join (select t.* from ${slotRowsOf(sql, CLAIMERS)}) claimer on claimer.ord = (${slot(sql, 'seats')}::int[])[m.ord]`
}

/** An attempt that begins has a deadline, and no lease that outlives it. */
const leases = (sql: Db, into: Into): Fragment => {
  const begins = into === 'executing'
  return sql`
  insert into leases (
    run_id, project_id, job_id, concurrency_key, token, owner, lease_secs, claimed_at, heartbeat_at, created_at,
    expires_at, deadline_at)
  select
    run_id, project_id, job_id, concurrency_key, lease_token, owner, lease_secs,
    clock_timestamp(), clock_timestamp(), created_at,
    clock_timestamp() + ${begins ? sql`least(lease_secs, timeout_secs)` : sql`lease_secs`} * interval '1 s',
    ${begins ? sql`clock_timestamp() + timeout_secs * interval '1 s'` : sql`null`}
  from joined`
}

/** What a throttle counts: every start, also of an attempt that is a retry, or that goes on after a wait. */
const startMarks = (sql: Db): Fragment => sql`
  insert into rate_marks (job_id, kind, key, until)
  select
    joined.job_id,
    'start',
    case when j.throttle_per_key then joined.concurrency_key else '' end,
    clock_timestamp() + j.throttle_period_secs * interval '1 s'
  from joined cross join lateral (
    select throttle_limit, throttle_period_secs, throttle_per_key from jobs where id = joined.job_id offset 0
  ) j
  where j.throttle_limit > 0`

const answer = (sql: Db): Fragment => sql`
    select
      summary.*,
      j.ord as seat,
      j.run_id as "runId",
      j.project_id as "projectId",
      j.client_id as "clientId",
      j.job_id as "jobId",
      j.job_version as "jobVersion",
      j.queue,
      j.attempt,
      j.rank,
      j.lease_token as token,
      j.queue_wait_ms as "queueWaitMs",
      j.timeout_secs as "timeoutSecs",
      j.correlation_id as "correlationId",
      j.agent_id as "agentId",
      j.tags,
      j.metadata,
      j.debug_mode as "debugMode",
      j.traceparent,
      j.created_at as "createdAt",
      j.error as "previousError",
      b.payload,
      c.number as "checkpointNumber",
      c.state as "checkpointState",
      c.created_at as "checkpointAt",
      j.preset,
      j.environment
    from summary
    left join joined j on true
    left join lateral (select payload from run_bodies where run_id = j.run_id offset 0) b on true
    left join lateral (
      select number, state, created_at from run_checkpoints k
      where j.last_checkpoint > 0 and k.run_id = j.run_id and k.number = j.last_checkpoint offset 0
    ) c on true
    order by j.ord`
