// Every change of a run's state after its creation and its claim. One statement compares and sets the state,
// puts the run where it now belongs (queue, lease or neither), keeps its counters and writes the event.
import type { Actor } from '#core/event.ts'
import { riskOf } from '#core/policy.ts'
import {
  FAILURE_STATES,
  LISTED_STATES,
  namesItsEnd,
  OVER_STATES,
  RUN_MOVES,
  type RunMove,
  type RunState,
  statesIn,
} from '#core/run.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { column } from '#postgres/column.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { type Db, literals } from '#postgres/sql.ts'
import {
  calledJobs,
  endedWaits,
  lockedWaits,
  type NewWait,
  newWaits,
  rememberedEnds,
  targets,
  toldWaits,
} from './wait-parts.sql.ts'

export type RunChange = {
  runId: string
  move: RunMove
  /** Only from these of the states that the move may leave. */
  from?: readonly RunState[]
  /** The attempt that the decision was made about; a run that is at another one does not move. */
  attempt?: number
  /** The wait that the decision was made about; a run that waits for something else by now does not move. */
  waitId?: string
  /** The fence: the lease that the caller acts under. */
  token?: string
  /** Only if that lease has run out. */
  onlyExpired?: true
  actor: Actor
  causationId?: string
  message?: string
  data?: object
  nextAttempt?: number
  /** For a run that goes back to the queue: how long until it is due. */
  dueInMs?: number
  scheduledAt?: Date
  /** How long it may wait for its turn from when it is due; undefined leaves the limit as it is. */
  ttlMs?: number
  payload?: unknown
  result?: unknown
  error?: string
  errorCode?: string
  trace?: object
  /** What a run waits for that begins to wait. */
  wait?: NewWait
}

export type RunChanged =
  /** `told`: runs that waited for one of the same batch are to be looked at now. */
  | { outcome: 'moved'; state: RunState; attempt: number; sequence: number; told: boolean }
  /** `already`: in the wanted state; `stale`: another attempt or lease; `refused`: no such move from here. */
  | { outcome: 'already' | 'stale' | 'refused'; state: RunState; attempt: number }
  | { outcome: 'missing' }

/** Moves up to 1,000 runs, each at most once. Answers in the order of `changes`; one that may not move harms no other. */
export async function moveRuns(sql: Db, changes: readonly RunChange[]): Promise<RunChanged[]> {
  const results = await tryMoves(sql, changes)
  for (let tries = 1; results.includes('again'); tries++) {
    if (tries === TRIES_MAX) throw new KeptMoving(`runs kept moving while they were being moved, ${TRIES_MAX} times`)
    const left = results.flatMap((result, index) => (result === 'again' ? [index] : []))
    const more = await tryMoves(
      sql,
      left.map((index) => changes[index]!),
    )
    left.forEach((index, at) => {
      results[index] = more[at]!
    })
  }
  return results as RunChanged[]
}

/** Some of the batch are moved. It has a code, so that the group commit does not write any of it again. */
class KeptMoving extends Error {
  readonly code = 'KEPT_MOVING'
}

async function tryMoves(sql: Db, changes: readonly RunChange[]): Promise<(RunChanged | 'again')[]> {
  const queued = literals(sql, statesIn('queue'))
  const leased = literals(sql, statesIn('lease'))
  const fenced = literals(sql, statesIn('lease', 'wait'))
  const rows = await sql<Row[]>`
    with input as materialized (
      select * from unnest(
        ${column(changes.map((it) => it.runId))}::uuid[], ${column(changes.map(() => newId()))}::uuid[],
        ${column(changes.map((it) => (it.from ?? RUN_MOVES[it.move].from).join()))}::text[], ${column(changes.map((it) => RUN_MOVES[it.move].to))}::text[],
        ${column(changes.map((it) => RUN_MOVES[it.move].event))}::text[], ${column(changes.map((it) => RUN_MOVES[it.move].from[0]!))}::text[],
        ${column(changes.map((it) => it.attempt ?? null))}::int[], ${column(changes.map((it) => it.token ?? null))}::uuid[],
        ${column(changes.map((it) => it.actor.type))}::text[], ${column(changes.map((it) => it.actor.id))}::text[],
        ${column(changes.map((it) => it.causationId ?? null))}::uuid[],
        ${column(changes.map((it) => it.message ?? null))}::text[], ${column(changes.map((it) => jsonText(dataOf(it))))}::text[],
        ${column(changes.map((it) => it.nextAttempt ?? null))}::int[], ${column(changes.map((it) => it.dueInMs ?? null))}::float8[],
        ${column(changes.map((it) => it.scheduledAt?.toISOString() ?? null))}::timestamptz[], ${column(changes.map((it) => it.ttlMs ?? null))}::float8[],
        ${column(changes.map((it) => jsonText(it.payload)))}::text[], ${column(changes.map((it) => jsonText(it.result)))}::text[],
        ${column(changes.map((it) => it.error ?? null))}::text[], ${column(changes.map((it) => it.errorCode ?? null))}::text[],
        ${column(changes.map((it) => jsonText(it.trace)))}::text[], ${column(changes.map((it) => (it.onlyExpired ? 1 : null)))}::int[],
        ${column(changes.map((it) => jsonText(it.wait)))}::text[], ${column(changes.map((it) => it.waitId ?? null))}::uuid[]
      ) with ordinality as t (run_id, event_id, from_states, to_state, type, usual_state, attempt, token, actor_type, actor_id, causation_id,
        message, data, next_attempt, due_in_ms, scheduled_at, ttl_ms, payload, result, error, error_code, trace, only_expired, wait, wait_id, ord)
    ), seen as materialized (
      select s.run_id, s.last_sequence from run_states s where s.run_id in (select run_id from input)
    ), found as materialized (
      -- Locked in the order of their ids, so that two batches never wait for each other in a circle.
      select i.*, s.state as state_before, s.attempt as attempt_before, s.lease_token,
        -- The lock gives the row as it is now, but the rest of this statement sees the queue and the leases as they
        -- were when it began. If the run has moved in between, its place there would be missed: it is tried again.
        s.last_sequence <> seen.last_sequence as moved_meanwhile
      from input i join seen on seen.run_id = i.run_id join run_states s on s.run_id = i.run_id
      order by s.run_id
      for update of s
    ), moved as materialized (
      update run_states s
      set state = f.to_state, listed_state = case when f.to_state in (${literals(sql, LISTED_STATES)}) then f.to_state end, state_since = clock_timestamp(),
        attempt = coalesce(f.next_attempt, s.attempt),
        last_sequence = s.last_sequence + 1,
        -- A run that waits has no lease, and its attempt may still write: its token is the fence until it goes on.
        lease_token = case when f.to_state in (${fenced}) then s.lease_token end,
        checkpoint_floor = case when f.type = 'run.restarted' then s.last_checkpoint else s.checkpoint_floor end,
        scheduled_at = coalesce(f.scheduled_at, s.scheduled_at),
        due_at = case when f.to_state = 'delayed' then coalesce(f.scheduled_at, clock_timestamp() + f.due_in_ms * interval '1 ms') end,
        expires_at = case when f.ttl_ms is null then s.expires_at
          else coalesce(f.scheduled_at, clock_timestamp() + coalesce(f.due_in_ms, 0) * interval '1 ms') + f.ttl_ms * interval '1 ms' end,
        started_at = case when f.to_state = 'executing' then clock_timestamp() when f.to_state in (${queued}) then null else s.started_at end,
        -- A dead letter that is dismissed finished when its last attempt did.
        finished_at = case when f.to_state = any(${OVER_STATES as string[]}::text[]) then coalesce(s.finished_at, clock_timestamp()) end,
        failed_at = case when f.to_state in (${literals(sql, LISTED_STATES)}) and f.to_state = any(${OVER_STATES as string[]}::text[]) then coalesce(s.finished_at, clock_timestamp()) end,
        error = case when f.error is not null then f.error when f.to_state = 'completed' or f.type in ('run.redriven', 'run.restarted') then null else s.error end,
        error_code = case when f.error is not null then f.error_code when f.to_state = 'completed' or f.type in ('run.redriven', 'run.restarted') then null else s.error_code end
      from found f
      where s.run_id = f.run_id and not f.moved_meanwhile
        and f.state_before = any(string_to_array(f.from_states, ','))
        and (f.attempt is null or f.attempt = f.attempt_before)
        and (f.token is null or f.token = f.lease_token)
        and (f.wait_id is null or exists (select from waits w where w.run_id = f.run_id and w.id = f.wait_id))
        and (f.only_expired is null or exists (select from leases l where l.run_id = f.run_id and l.expires_at <= clock_timestamp()))
      returning f.ord, f.run_id, f.state_before, f.attempt_before, f.event_id, f.type, f.actor_type, f.actor_id, f.causation_id,
        f.message, f.data, f.payload, f.result, f.trace, f.usual_state, f.wait,
        s.state, s.attempt, s.last_sequence, s.due_at, s.expires_at
    ), joined as materialized (
      select m.ord, m.run_id, m.state_before, m.attempt_before, m.event_id, m.type, m.actor_type,
        -- A worker need not say who it is: its lease does.
        case when m.actor_type = 'worker' then coalesce(m.actor_id, l.owner) else m.actor_id end as actor_id,
        m.causation_id, m.message, m.payload, m.result, m.trace, m.wait, m.state,
        -- An event names the state before only where that is not the usual one: most say nothing, and cost nothing.
        case when m.state_before = m.usual_state then m.data::jsonb else coalesce(m.data::jsonb, '{}') || jsonb_build_object('from', m.state_before) end as data, m.attempt, m.last_sequence, m.due_at, m.expires_at,
        r.created_at as run_created_at, r.project_id, r.client_id, r.job_id, r.queue, r.concurrency_key, r.rank, r.correlation_id, r.agent_id,
        r.idempotency_key, r.timeout_secs, null::text as resource_type, date_trunc('milliseconds', clock_timestamp()) as occurred_at
      from moved m join runs r on r.id = m.run_id
      left join lateral (select owner from leases where leases.run_id = m.run_id offset 0) l on true
    ), unqueued as (
      -- By an array, here and below: queue, leases and keys may have been empty when this was planned, and a join with an
      -- empty table is planned as a walk through it for each run.
      delete from run_queue where run_id = any(array(
        select run_id from moved where state_before in (${queued}) and state not in (${queued})))
    ), queued as (
      insert into run_queue as q (run_id, project_id, queue, job_id, concurrency_key, rank, ready, due_at, expires_at, agent_id, created_at)
      select run_id, project_id, queue, job_id, concurrency_key, rank, state = 'queued', coalesce(due_at, clock_timestamp()), expires_at, agent_id, run_created_at
      from joined where state in (${queued})
      -- A run that was already queued for a time keeps its place in the line of those that are due.
      on conflict (run_id) do update set ready = excluded.ready, expires_at = excluded.expires_at,
        due_at = case when excluded.ready then least(q.due_at, excluded.due_at) else excluded.due_at end
    ), released as (
      delete from leases where run_id = any(array(
        select run_id from moved where state_before in (${leased}) and state not in (${leased})))
    ), unasked as (
      -- Nobody need answer for a run that is over. One that begins again asks anew, but a call that waits for approval
      -- is gone on with by the next attempt.
      update input_requests i set state = 'canceled', answered_at = clock_timestamp()
      where i.state = 'pending' and i.run_id = any(array(
        select run_id from moved where state = any(${OVER_STATES as string[]}::text[]) or type in ('run.restarted', 'run.retry_scheduled')))
        and (i.authorization_id is null or exists (select from moved m where m.run_id = i.run_id and m.state = any(${OVER_STATES as string[]}::text[])))
      returning authorization_id
    ), unapproved as (
      -- A call that nobody will approve any more is not made.
      update authorizations set state = 'denied', reason = 'approval_denied', risk_level = ${riskOf('approval_denied')}
      where state = 'asked' and id = any(array(select authorization_id from unasked where authorization_id is not null))
    ), locked_waits as materialized (${lockedWaits(sql)}
    ), stood as (${endedWaits(sql)}
    ), standing as (${newWaits(sql, 'joined')}
    ), told as (${toldWaits(sql)}
    ), targets as materialized (${targets(sql)}
    ), remembered as (${rememberedEnds(sql)}
    ), called as (${calledJobs(sql)}
    ), begun as (
      update leases l set deadline_at = clock_timestamp() + j.timeout_secs * interval '1 s',
        expires_at = least(l.expires_at, clock_timestamp() + j.timeout_secs * interval '1 s')
      from joined j where l.run_id = j.run_id and j.state = 'executing'
    ), bodies as (
      update run_bodies b set payload = coalesce(j.payload::jsonb, b.payload), result = coalesce(j.result::jsonb, b.result), trace = coalesce(j.trace::jsonb, b.trace)
      from joined j where b.run_id = j.run_id and (j.payload is not null or j.result is not null or j.trace is not null)
    ), freed as (
      -- Over at once, and still this run's: a redrive takes it back unless somebody else has it by then.
      update idempotency_keys set expires_at = clock_timestamp() where run_id = any(array(
        select run_id from joined where idempotency_key is not null and state = any(${FAILURE_STATES as string[]}::text[])))
    ), retaken as (
      update idempotency_keys set expires_at = null where run_id = any(array(
        select run_id from joined where idempotency_key is not null and type = 'run.redriven'))
    ), kept as (
      update idempotency_keys set expires_at = clock_timestamp() + interval '24 hours' where run_id = any(array(
        select run_id from joined where idempotency_key is not null and state in ('completed', 'canceled')))
    ), tallied as materialized (${tally(sql, 'joined')}
    ), counted as (${countMoves(sql, 'tallied')}
    ), counted_events as (${countRunEvents(sql, 'tallied')}
    ), logged as (
      insert into events (id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, causation_id, run_id, run_ref, sequence, attempt, agent_id, message, data)
      select event_id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, causation_id, run_id, client_id, last_sequence, attempt_before, agent_id, message, data
      from joined
    )
    select f.ord::int, f.moved_meanwhile, f.state_before, f.attempt_before, f.to_state, f.attempt as attempt_expected,
      f.token is not null and f.token is distinct from f.lease_token as stale, m.state, m.attempt, m.last_sequence, ((select count(*) from told) + (select count(*) from called))::int as told
    from found f left join moved m using (ord)`
  const byOrder = new Map(rows.map((row) => [row.ord, row]))
  return changes.map((_, index) => changed(byOrder.get(index + 1)))
}

const dataOf = ({ move, data }: RunChange): object | undefined =>
  namesItsEnd(move) ? { ...data, state: RUN_MOVES[move].to } : data

const TRIES_MAX = 100

type Row = {
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
  told: number
}

function changed(row: Row | undefined): RunChanged | 'again' {
  if (!row) return { outcome: 'missing' }
  if (row.moved_meanwhile) return 'again'
  const { state, attempt, last_sequence } = row
  if (state && attempt && last_sequence)
    return { outcome: 'moved', state, attempt, sequence: last_sequence, told: row.told > 0 }
  const at = { state: row.state_before, attempt: row.attempt_before }
  if (row.stale) return { outcome: 'stale', ...at }
  if (row.state_before === row.to_state) return { outcome: 'already', ...at }
  if (row.attempt_expected !== null && row.attempt_expected !== row.attempt_before) return { outcome: 'stale', ...at }
  return { outcome: 'refused', ...at }
}
