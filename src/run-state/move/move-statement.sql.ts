// The statement of moveRuns, told in this order: find and lock the runs, move them, put them where they now belong, end
// and begin waits, take back questions, settle idempotency keys, keep bodies, count, and write the log.
import { Json } from '#core/json/json.ts'
import {
  FAILURE_STATES,
  LISTED_STATES,
  namesItsEnd,
  OVER_STATES,
  RUN_MOVES,
  type RunState,
  statesIn,
} from '#core/run.ts'
import { maskMessage } from '#core/runs/mask-message.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { countEnds, countFailures } from '#log/counts/end-counts.sql.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { type Columns, slotRowsOf } from '#postgres/rows.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import { expiringKeys, reclaimedKeys, releasedKeys } from './key-parts.sql.ts'
import { deadlines, queued, released, unqueued } from './place-parts.sql.ts'
import { canceledQuestions, deniedCalls } from './question-parts.sql.ts'
import type { RunChange } from './run-change.sql.ts'
import { calledJobs, endedWaits, lockedWaits, newWaits, rememberedEnds, targets, toldWaits } from './wait-parts.sql.ts'

export const MOVE_INPUT = {
  'run_id uuid': (it) => it.runId,
  'event_id uuid': () => newId(),
  'from_states text': (it) => (it.from ?? RUN_MOVES[it.move].from).join(),
  'to_state text': (it) => RUN_MOVES[it.move].to,
  'type text': (it) => RUN_MOVES[it.move].event,
  'usual_state text': (it) => RUN_MOVES[it.move].from[0],
  'attempt int': (it) => it.attempt,
  'token uuid': (it) => it.token,
  'actor_type text': (it) => it.actor.type,
  'actor_id text': (it) => it.actor.id,
  'causation_id uuid': (it) => it.causationId,
  'message text': (it) => it.message,
  'data text': (it) => jsonText(dataOf(it)),
  'next_attempt int': (it) => it.nextAttempt,
  'due_in_ms float8': (it) => it.dueInMs,
  'scheduled_at timestamptz': (it) => it.scheduledAt?.toISOString(),
  'ttl_ms float8': (it) => it.ttlMs,
  'payload text': (it) => jsonText(it.payload),
  'result text': (it) => jsonText(it.result),
  'error text': (it) => it.error,
  'error_code text': (it) => it.errorCode,
  'masked text': (it) => (isFailure(it) ? maskMessage(it.error ?? '') : null),
  'trace text': (it) => jsonText(it.trace),
  'only_expired int': (it) => (it.onlyExpired ? 1 : null),
  'wait text': (it) => jsonText(it.wait),
  'wait_id uuid': (it) => it.waitId,
} satisfies Columns<RunChange>

function dataOf({ move, data }: RunChange): unknown {
  if (!namesItsEnd(move)) return data
  return Json.of(data ?? {}).with('state', RUN_MOVES[move].to)
}

/** A dead letter that is dismissed failed before. */
const isFailure = ({ move }: RunChange): boolean => move !== 'dismiss' && FAILURE_STATES.includes(RUN_MOVES[move].to)

export type MovedRow = {
  ord: number
  moved_meanwhile: boolean
  state_before: RunState
  attempt_before: number
  to_state: RunState
  attempt_expected: number | null
  stale: boolean
  state: RunState | null
  attempt: number | null
  last_sequence: number | null
  queue: string | null
  woken_waits: number
}

export const moveStatement = statement<MovedRow>(
  (sql) => sql`
    with input as materialized (select * from ${slotRowsOf(sql, MOVE_INPUT)}),
    found as materialized (${foundRuns(sql)}),
    moved as materialized (${movedRuns(sql)}),
    joined as materialized (${joinedRuns(sql)}),

    unqueued as (${unqueued(sql)}),
    queued as (${queued(sql)}),
    released as (${released(sql)}),
    deadlines as (${deadlines(sql)}),

    locked_waits as materialized (${lockedWaits(sql)}),
    ended_waits as (${endedWaits(sql)}),
    new_waits as (${newWaits(sql, 'joined')}),
    due_waits as (${toldWaits(sql)}),
    targets as materialized (${targets(sql)}),
    remembered_ends as (${rememberedEnds(sql)}),
    called_jobs as (${calledJobs(sql)}),

    canceled_questions as (${canceledQuestions(sql)}),
    denied_calls as (${deniedCalls(sql)}),

    released_keys as (${releasedKeys(sql, 'joined')}),
    reclaimed_keys as (${reclaimedKeys(sql, 'joined')}),
    expiring_keys as (${expiringKeys(sql, 'joined')}),

    bodies as (${bodies(sql, 'joined')}),
    tallied as materialized (${tally(sql, 'joined')}),
    counted as (${countMoves(sql, 'tallied')}),
    counted_ends as (${countEnds(sql, 'tallied')}),
    counted_failures as (${countFailures(sql, 'joined')}),
    counted_events as (${countRunEvents(sql, 'tallied')}),
    logged as (${loggedMoves(sql, 'joined')})
    ${outcomes(sql)}`,
)

/**
 * A row for each change, whether its run moved or not. By grouping: a join of `found` and `moved` may be planned as a
 * loop over all pairs.
 */
const outcomes = (sql: Db): Fragment => sql`
    select
      ord::int,
      bool_or(moved_meanwhile) as moved_meanwhile,
      min(state_before) as state_before,
      min(attempt_before) as attempt_before,
      min(to_state) as to_state,
      min(attempt_expected) as attempt_expected,
      bool_or(stale) as stale,
      min(state) as state,
      min(attempt) as attempt,
      min(last_sequence) as last_sequence,
      min(queue) as queue,
      ((select count(*) from due_waits) + (select count(*) from called_jobs))::int as woken_waits
    from (
      select
        ord, moved_meanwhile, state_before, attempt_before, to_state, attempt as attempt_expected,
        token is not null and token is distinct from lease_token as stale,
        null as state, null::int as attempt, null::bigint as last_sequence, null as queue
      from found
      union all
      select ord, null, null, null, null, null, null, state, attempt, last_sequence, queue from joined
    ) outcomes
    group by ord`

/**
 * Locked in the order of their ids, so that two batches never deadlock. Of `input`. Each run is looked up by itself: a
 * join may be planned as a walk through all states, or as a loop over all pairs.
 */
const foundRuns = (sql: Db): Fragment => sql`
  select
    i.*,
    s.state as state_before,
    s.attempt as attempt_before,
    s.lease_token,
    s.place,
    -- The lock gives the row as it is now, but the rest of this statement sees the queue and the leases as they
    -- were when it began. If the row was written in between, its place there would be missed: it is tried again.
    s.place <> seen.place as moved_meanwhile
  from (select * from input order by run_id) i
  cross join lateral (select ctid as place from run_states where run_id = i.run_id offset 0) seen
  cross join lateral (
    select ctid as place, state, attempt, lease_token from run_states where run_id = i.run_id for update
  ) s`

const movedRuns = (sql: Db): Fragment => {
  const isOver = sql`f.to_state in (${literals(sql, OVER_STATES)})`
  const isListed = sql`f.to_state in (${literals(sql, LISTED_STATES)})`
  const forgetsError = sql`(f.to_state = 'completed' or f.type in ('run.redriven', 'run.restarted'))`
  const errorCode = sql`
    case when f.error is not null then f.error_code when ${forgetsError} then null else s.error_code end`
  return sql`
    update run_states s set
      state = f.to_state,
      listed_state = case when ${isListed} then f.to_state end,
      state_since = clock_timestamp(),
      attempt = coalesce(f.next_attempt, s.attempt),
      last_sequence = s.last_sequence + 1,
      -- A run that waits has no lease, and its attempt may still write: its token is the fence until it goes on.
      lease_token = case when f.to_state in (${literals(sql, statesIn('lease', 'wait'))}) then s.lease_token end,
      checkpoint_floor = case when f.type = 'run.restarted' then s.last_checkpoint else s.checkpoint_floor end,
      scheduled_at = coalesce(f.scheduled_at, s.scheduled_at),
      due_at = case when f.to_state = 'delayed'
        then coalesce(f.scheduled_at, clock_timestamp() + f.due_in_ms * interval '1 ms') end,
      expires_at = case when f.ttl_ms is null then s.expires_at
        else coalesce(f.scheduled_at, clock_timestamp() + coalesce(f.due_in_ms, 0) * interval '1 ms')
          + f.ttl_ms * interval '1 ms' end,
      started_at = case when f.to_state = 'executing' then clock_timestamp()
        when f.to_state in (${literals(sql, statesIn('queue'))}) then null else s.started_at end,
      -- A dead letter that is dismissed finished when its last attempt did.
      finished_at = case when ${isOver} then coalesce(s.finished_at, clock_timestamp()) end,
      failed_at = case when ${isOver} and ${isListed} then coalesce(s.finished_at, clock_timestamp()) end,
      error = case when f.error is not null then f.error when ${forgetsError} then null else s.error end,
      error_code = ${errorCode},
      failed_code = case when ${isOver} and ${isListed} then left(${errorCode}, 128) end,
      failed_group = case
        when f.masked is not null
          then failure_group_of((select r.job_id from runs r where r.id = f.run_id), ${errorCode}, f.masked)
        when ${isOver} and ${isListed} then s.failed_group end
    from found f
    -- From where it was found, not looked up again: by its id the planner may walk through all states for it.
    where s.ctid = f.place
      and not f.moved_meanwhile
      and f.state_before = any(string_to_array(f.from_states, ','))
      and (f.attempt is null or f.attempt = f.attempt_before)
      and (f.token is null or f.token = f.lease_token)
      and (f.wait_id is null or exists (select from waits w where w.run_id = f.run_id and w.id = f.wait_id))
      and (f.only_expired is null
        or exists (select from leases l where l.run_id = f.run_id and l.expires_at <= clock_timestamp()))
    returning
      f.ord, f.run_id, f.state_before, f.attempt_before, f.event_id, f.type, f.actor_type, f.actor_id, f.causation_id,
      f.message, f.data, f.payload, f.result, f.trace, f.usual_state, f.wait,
      s.state, s.attempt, s.last_sequence, s.due_at, s.expires_at, s.error, s.error_code, s.failed_group`
}

/** What moved, with what is written about it elsewhere. Of `moved`. */
const joinedRuns = (sql: Db): Fragment => sql`
  select
    m.ord, m.run_id, m.state_before, m.attempt_before, m.event_id, m.type, m.causation_id, m.message,
    m.payload, m.result, m.trace, m.wait, m.state, m.attempt, m.last_sequence, m.due_at, m.expires_at,
    m.error, m.error_code, m.failed_group, m.actor_type,
    -- A worker need not say who it is: its lease does.
    case when m.actor_type = 'worker' then coalesce(m.actor_id, l.owner) else m.actor_id end as actor_id,
    -- An event names the state before only where that is not the usual one: most say nothing, and cost nothing.
    case when m.state_before = m.usual_state or left(m.data, 1) <> '{' then m.data
      else concat(
        case when m.data <> '{}' then left(m.data, -1) || ',' else '{' end, '"from":"', m.state_before, '"}'
      ) end::json as data,
    r.created_at as run_created_at, r.project_id, r.client_id, r.job_id, r.job_version, r.queue, r.concurrency_key,
    r.rank, r.correlation_id, r.agent_id, r.idempotency_key,
    date_trunc('milliseconds', clock_timestamp()) as occurred_at
  from moved m
  cross join lateral (select * from runs where id = m.run_id offset 0) r
  left join lateral (select owner from leases where leases.run_id = m.run_id offset 0) l on true`

/** Only moves of a run write its body, and they hold the lock of its row: it is where it was seen (ctid). */
export const bodies = (sql: Db, moves: string): Fragment => sql`
  update run_bodies b set
    payload = coalesce(j.payload::json, b.payload),
    result = coalesce(j.result::json, b.result),
    trace = coalesce(j.trace::jsonb, b.trace)
  from (
    select m.payload, m.result, m.trace, kept.place
    from ${sql(moves)} m
    cross join lateral (select ctid as place from run_bodies where run_id = m.run_id offset 0) kept
    where m.payload is not null or m.result is not null or m.trace is not null
  ) j
  where b.ctid = j.place`

export const loggedMoves = (sql: Db, moves: string): Fragment => sql`
  insert into events (
    id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, causation_id,
    run_id, run_ref, sequence, attempt, agent_id, message, data)
  select
    event_id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, causation_id,
    run_id, client_id, last_sequence, attempt_before, agent_id, message, data
  from ${sql(moves)}`
