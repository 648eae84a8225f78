// Completions of attempts by their executors, which is how most runs end: `moveRuns` for a batch of nothing else, by a
// short statement, since most of the whole one is about what such runs have nothing to do with (the queue, waits,
// questions, jobs that others depend on). A run that has to do with any of it is left alone and moves by the whole one.
import { saysOnly } from '#core/own.ts'
import { RUN_MOVES, type RunState } from '#core/run.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { countEnds } from '#log/counts/end-counts.sql.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { type Columns, slotRowsOf, slotValuesOf } from '#postgres/rows.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import { expiringKeys } from './key-parts.sql.ts'
import { bodies, loggedMoves } from './move-statement.sql.ts'
import type { RunChange, RunChanged } from './run-change.sql.ts'

const { to: COMPLETED, event: TYPE } = RUN_MOVES.complete
const EXECUTING: RunState = 'executing'

/** What such a change may say: all that the short statement writes. */
const SAID: ReadonlySet<string> = new Set([
  'runId',
  'move',
  'from',
  'token',
  'actor',
  'causationId',
  'result',
  'trace',
] satisfies (keyof RunChange)[])

/** The executor that holds the lease ends its own attempt, and says no more than that and its result. */
export const isPlainCompletion = (change: RunChange): boolean =>
  change.move === 'complete' &&
  change.token !== undefined &&
  change.from?.length === 1 &&
  change.from[0] === EXECUTING &&
  saysOnly(change, SAID)

const INPUT = {
  'run_id uuid': (it) => it.runId,
  'event_id uuid': () => newId(),
  'token uuid': (it) => it.token,
  'actor_type text': (it) => it.actor.type,
  'actor_id text': (it) => it.actor.id,
  'causation_id uuid': (it) => it.causationId,
} satisfies Columns<RunChange>

const INPUT_WITH_BODIES = {
  ...INPUT,
  'result text': (it) => jsonText(it.result),
  'trace text': (it) => jsonText(it.trace),
} satisfies Columns<RunChange>

/** Answers in the order of `changes`. 'again': not completed, for whatever reason; the whole statement knows it. */
export async function completeRuns(sql: Db, changes: readonly RunChange[]): Promise<(RunChanged | 'again')[]> {
  const hasBodies = changes.some((it) => it.result !== undefined || it.trace !== undefined)
  const rows = hasBodies
    ? await completionWithBodies(sql, slotValuesOf<RunChange>(INPUT_WITH_BODIES, changes))
    : await completion(sql, slotValuesOf<RunChange>(INPUT, changes))
  const results = changes.map((): RunChanged | 'again' => 'again')
  for (const { ord, attempt, sequence, queue } of rows)
    results[ord - 1] = {
      outcome: 'moved',
      from: EXECUTING,
      state: COMPLETED,
      attempt,
      sequence,
      queue,
      wokeWaits: false,
    }
  return results
}

type Row = { ord: number; attempt: number; sequence: number; queue: string }

const completion = statement<Row>((sql) => written(sql, INPUT, false))
const completionWithBodies = statement<Row>((sql) => written(sql, INPUT_WITH_BODIES, true))

const written = (sql: Db, input: Columns<RunChange>, hasBodies: boolean): Fragment => sql`
    with input as materialized (select * from ${slotRowsOf(sql, input)}),
    plain as materialized (${plainRuns(sql)}),
    moved as materialized (${completedRuns(sql, hasBodies)}),
    released as (delete from leases where run_id = any(array(select moved.run_id from moved))),
    expiring_keys as (${expiringKeys(sql, 'moved')}),
    ${hasBodies ? sql`bodies as (${bodies(sql, 'moved')}),` : sql``}
    tallied as materialized (${tally(sql, 'moved')}),
    counted as (${countMoves(sql, 'tallied')}),
    counted_ends as (${countEnds(sql, 'tallied')}),
    counted_events as (${countRunEvents(sql, 'tallied')}),
    logged as (${loggedMoves(sql, 'moved')})
    select ord::int, attempt, last_sequence as sequence, queue from moved`

/**
 * Those that complete, and with which nobody else has to do, in the order of their ids, so that two batches never
 * deadlock. Each is looked up by itself: a join of two CTEs may be planned as a loop over all pairs.
 */
const plainRuns = (sql: Db): Fragment => sql`
  select
    i.*, s.ctid as place, s.last_sequence,
    r.project_id, r.client_id, r.job_id, r.queue, r.correlation_id, r.agent_id, r.idempotency_key,
    -- A worker need not say who it is: its lease does.
    case when i.actor_type = 'worker' then coalesce(i.actor_id, l.owner) else i.actor_id end as actor
  from input i
  cross join lateral (
    select ctid, state, lease_token, last_sequence from run_states where run_id = i.run_id offset 0
  ) s
  cross join lateral (select * from runs where id = i.run_id offset 0) r
  cross join lateral (select owner from leases where run_id = i.run_id offset 0) l
  where s.state = ${literals(sql, [EXECUTING])}
    and s.lease_token = i.token
    -- Tables that hold only what is open or under way; each is asked once for the whole batch.
    and i.run_id not in (
      select asked.run_id from input_requests asked where asked.state = 'pending' and asked.run_id = ${ofBatch(sql)})
    and i.run_id not in (select waits.child_run_id from waits where child_run_id = ${ofBatch(sql)})
    and i.run_id not in (select wait_items.child_run_id from wait_items where child_run_id = ${ofBatch(sql)})
    and not exists (select from job_dependencies d where d.depends_on_job_id = r.job_id)
  order by i.run_id`

const ofBatch = (sql: Db): Fragment => sql`any(array(select input.run_id from input))`

/**
 * Of `plain`, and what was done in the words of the log. Whatever a completion does not mention stays: no index of the
 * table holds a column that it changes. A row is taken from where it was seen (ctid) rather than looked up again. If
 * somebody else has moved the run since, its lease and its waits are no longer what was seen: its sequence tells, and
 * it is left alone.
 */
const completedRuns = (sql: Db, hasBodies: boolean): Fragment => sql`
  update run_states s set
    state = ${literals(sql, [COMPLETED])},
    state_since = clock_timestamp(),
    last_sequence = s.last_sequence + 1,
    lease_token = null,
    due_at = null,
    finished_at = clock_timestamp(),
    error = null,
    error_code = null
  from plain p
  where s.ctid = p.place and s.last_sequence = p.last_sequence
  returning
    p.ord, s.run_id, s.state, s.attempt, s.attempt as attempt_before, s.last_sequence,
    ${literals(sql, [EXECUTING])} as state_before, ${sql.unsafe(`'${TYPE}'::text`)} as type,
    p.event_id, p.actor_type, p.actor as actor_id, p.causation_id, null::text as message, null::json as data,
    p.project_id, p.client_id, p.job_id, p.queue, p.correlation_id, p.agent_id, p.idempotency_key,
    ${hasBodies ? sql`null::text as payload, p.result, p.trace,` : sql``}
    date_trunc('milliseconds', clock_timestamp()) as occurred_at`
