// Completions of attempts by their executors, which is how most runs end: `moveRuns` for a batch of nothing else, by a
// short statement, since most of the whole one is about what such runs have nothing to do with (the queue, waits,
// questions, jobs that others depend on). A run that has to do with any of it is left alone and moves by the whole one.
import { RUN_MOVES, type RunState } from '#core/run.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { countEnds } from '#log/counts/end-counts.sql.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { type Db, type Fragment, literals } from '#postgres/sql.ts'
import { type Input, inputRows, inputValues, statement } from '#postgres/statement.ts'
import { expiringKeys } from './key-parts.sql.ts'
import { bodies, foundRuns, loggedMoves, seenRuns } from './move-statement.sql.ts'
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
  Object.entries(change).every(([name, value]) => value === undefined || SAID.has(name))

const INPUT = {
  run_id: { type: 'uuid', of: (it) => it.runId },
  event_id: { type: 'uuid', of: () => newId() },
  token: { type: 'uuid', of: (it) => it.token },
  actor_type: { type: 'text', of: (it) => it.actor.type },
  actor_id: { type: 'text', of: (it) => it.actor.id },
  causation_id: { type: 'uuid', of: (it) => it.causationId },
} satisfies Input<RunChange>

const INPUT_WITH_BODIES = {
  ...INPUT,
  result: { type: 'text', of: (it) => jsonText(it.result) },
  trace: { type: 'text', of: (it) => jsonText(it.trace) },
} satisfies Input<RunChange>

/** Answers in the order of `changes`. 'again': not completed, for whatever reason; the whole statement knows it. */
export async function completeRuns(sql: Db, changes: readonly RunChange[]): Promise<(RunChanged | 'again')[]> {
  const hasBodies = changes.some((it) => it.result !== undefined || it.trace !== undefined)
  const rows = hasBodies
    ? await completionWithBodies(sql, inputValues<RunChange>(INPUT_WITH_BODIES, changes))
    : await completion(sql, inputValues<RunChange>(INPUT, changes))
  const results = changes.map((): RunChanged | 'again' => 'again')
  for (const { ord, attempt, sequence } of rows)
    results[ord - 1] = { outcome: 'moved', state: COMPLETED, attempt, sequence, told: false }
  return results
}

type Row = { ord: number; attempt: number; sequence: number }

const completion = statement<Row>((sql) => written(sql, INPUT, false))
const completionWithBodies = statement<Row>((sql) => written(sql, INPUT_WITH_BODIES, true))

const written = (sql: Db, input: Input<RunChange>, hasBodies: boolean): Fragment => sql`
    with input as materialized (select * from ${inputRows(sql, input)}),
    seen as materialized (${seenRuns(sql)}),
    found as materialized (${foundRuns(sql)}),
    plain as materialized (${plainRuns(sql)}),
    moved as materialized (${completedRuns(sql, hasBodies)}),
    joined as materialized (${joinedRuns(sql, hasBodies)}),
    released as (delete from leases where run_id = any(array(select moved.run_id from moved))),
    expiring_keys as (${expiringKeys(sql, 'joined')}),
    ${hasBodies ? sql`bodies as (${bodies(sql)}),` : sql``}
    tallied as materialized (${tally(sql, 'joined')}),
    counted as (${countMoves(sql, 'tallied')}),
    counted_ends as (${countEnds(sql, 'tallied')}),
    counted_events as (${countRunEvents(sql, 'tallied')}),
    logged as (${loggedMoves(sql)})
    select ord::int, attempt, last_sequence as sequence from moved`

/** Those that complete, and with which nobody else has to do; with what is written about them. Of `found`. */
const plainRuns = (sql: Db): Fragment => sql`
  select
    f.*,
    -- A worker need not say who it is: its lease does.
    case when f.actor_type = 'worker' then coalesce(f.actor_id, l.owner) else f.actor_id end as actor,
    r.project_id, r.client_id, r.job_id, r.queue, r.correlation_id, r.agent_id, r.idempotency_key
  from found f
  join runs r on r.id = f.run_id
  cross join lateral (select owner from leases where run_id = f.run_id offset 0) l
  where not f.moved_meanwhile
    and f.state_before = ${literals(sql, [EXECUTING])}
    and f.token = f.lease_token
    -- One look-up each, in tables that hold only what is open or under way.
    and not exists (select from input_requests i where i.run_id = f.run_id and i.state = 'pending')
    and not exists (select from waits w where w.child_run_id = f.run_id)
    and not exists (select from wait_items w where w.child_run_id = f.run_id)
    and not exists (select from job_dependencies d where d.depends_on_job_id = r.job_id)`

/** Of `plain`. What a completion does not mention stays: no index of the table holds a column that it changes. */
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
  from plain p where s.run_id = p.run_id
  returning
    p.ord, s.run_id, s.state, s.attempt, s.last_sequence, p.state_before, p.attempt_before, p.event_id, p.actor_type,
    p.actor, p.causation_id, p.project_id, p.client_id, p.job_id, p.queue, p.correlation_id, p.agent_id,
    p.idempotency_key ${hasBodies ? sql`, p.result, p.trace` : sql``}`

/** What was done, in the words of the log. Of `moved`: a join of two CTEs may be planned as a loop over all pairs. */
const joinedRuns = (sql: Db, hasBodies: boolean): Fragment => sql`
  select
    state, attempt, last_sequence, run_id, state_before, attempt_before, event_id,
    ${sql.unsafe(`'${TYPE}'::text`)} as type, actor_type, actor as actor_id, causation_id,
    null::text as message, null::json as data, project_id, client_id, job_id, queue, correlation_id,
    agent_id, idempotency_key, ${hasBodies ? sql`null::text as payload, result, trace,` : sql``}
    date_trunc('milliseconds', clock_timestamp()) as occurred_at
  from moved`
