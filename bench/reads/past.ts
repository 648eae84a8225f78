// A past to read in: runs and events of the last days, whose ids and values follow from their numbers, so that the
// reader knows what there is.
import { foldCounts } from '../../src/log/counts/fold-counts.sql.ts'
import { connect, type Sql } from '../../src/postgres/sql.ts'
import { insertLabels } from '../../src/run-state/labels.sql.ts'
import { fillInChunks, settleDown } from '../lib/fill.ts'

// The budgets are meant for the large one, which takes about half an hour to write.
const SIZE = process.env.BENCH_SIZE ?? 'small'
const SIZES: Record<string, { runs: number; events: number }> = {
  small: { runs: 300_000, events: 1_000_000 },
  large: { runs: 1_000_000, events: 10_000_000 },
}
if (!SIZES[SIZE]) throw new Error(`BENCH_SIZE is ${SIZE}, and has to be ${Object.keys(SIZES).join(' or ')}`)

export const { runs: RUNS, events: EVENTS } = SIZES[SIZE]
/** Calls of agents that were decided about. */
export const DECISIONS = EVENTS / 10
export const AGENTS = 100
const TOOLS = 20
export const JOBS = 20
export const TEAMS = 50
export const CUSTOMERS = 5_000
export const BATCH = 500
export const FAMILY = 10
export const DOCUMENTS = 10_000
export const USERS = 1_000
export const CHAINS = 20_000
/** Of each run; the other events are about documents. */
const EVENTS_PER_RUN = 2
const OTHER_EVENTS = EVENTS - RUNS * EVENTS_PER_RUN
const STEP_MS = 1_500
export const SPAN_MS = RUNS * STEP_MS
const DECISION_STEP_MS = SPAN_MS / DECISIONS

/** A UUID version 7 of the run's time and number, here and in `RUN_ID` below. */
export function runIdOf(nth: number, beginMs: number): string {
  const time = (beginMs + nth * STEP_MS).toString(16).padStart(12, '0')
  const hex = `${time}70008${nth.toString(16).padStart(15, '0')}`
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Batches alternate with runs of none. */
export const batchIdOf = (nth: number): string => runIdOf(nth - (nth % BATCH), 0)
export const parentOf = (nth: number): number => nth - (nth % FAMILY)

const runId = (sql: Sql, nth: string, beginMs: number) =>
  sql`(lpad(to_hex(${beginMs}::bigint + ${sql.unsafe(nth)} * ${STEP_MS}::bigint), 12, '0') || '70008' || lpad(to_hex(${sql.unsafe(nth)}), 15, '0'))::uuid`

const timeOf = (sql: Sql, nth: string, beginMs: number) =>
  sql`date_trunc('milliseconds', to_timestamp((${beginMs}::bigint + ${sql.unsafe(nth)} * ${STEP_MS}::bigint) / 1000.0))`

export async function makePast(url: string, beginMs: number): Promise<void> {
  await fillInChunks(url, RUNS, (sql, from, to) => writeRuns(sql, beginMs, from, to))
  await fillInChunks(url, RUNS, (sql, from, to) => writeRunEvents(sql, beginMs, from, to))
  await fillInChunks(url, OTHER_EVENTS, (sql, from, to) => writeOtherEvents(sql, beginMs, from, to))
  await fillInChunks(url, DECISIONS, (sql, from, to) => writeDecisions(sql, beginMs, from, to))
  await sumUp(url)
  await settleDown(url, [
    'runs',
    'run_labels',
    'run_states',
    'run_bodies',
    'events',
    'authorizations',
    'agent_hours',
    'resources',
  ])
}

const writeRuns = (sql: Sql, beginMs: number, from: number, to: number) => sql`
  with past as materialized (
    select ${runId(sql, 'n', beginMs)} as id, ${runId(sql, `(n - n % ${FAMILY})`, beginMs)} as root, n, j.id as job_id, j.project_id, j.version,
      j.execution, j.queue, ${timeOf(sql, 'n', beginMs)} as created_at,
      case n % 19 when 0 then 'failed' when 1 then 'canceled' when 2 then 'dead_letter' else 'completed' end as state
    from generate_series(${from}::int, ${to}::int) n join jobs j on j.slug = 'bench-' || n % ${JOBS}::int
  ), asked as (
    insert into runs (id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, created_by_id, correlation_id,
      parent_run_id, lineage_depth, batch_id, rank, timeout_secs, max_attempts, tags, metadata, created_at)
    select id, project_id, job_id, version, execution, queue, 'manual', 'api_key', 'bench', root::text, nullif(root, id),
      case when root = id then 0 else 1 end,
      case when n / ${BATCH}::int % 2 = 0 then ${runId(sql, `(n - n % ${BATCH})`, 0)} end, 0, 300, 1,
      jsonb_build_object('team', 't' || n % ${TEAMS}::int), jsonb_build_object('customer', 'c' || n % ${CUSTOMERS}::int), created_at
    from past returning id, project_id, tags, metadata, created_at
  ), labelled as (${insertLabels(sql, 'asked')}
  ), states as (
    insert into run_states (run_id, project_id, state, listed_state, failed_at, last_sequence, created_at, state_since, started_at, finished_at, error, error_code)
    select id, project_id, state, case when state <> 'completed' then state end, case when state <> 'completed' then created_at + interval '1 s' end,
      ${EVENTS_PER_RUN}::int, created_at, created_at + interval '1 s', created_at, created_at + interval '1 s',
      case when state not in ('completed', 'canceled') then 'it failed' end, case when state not in ('completed', 'canceled') then 'failed' end
    from past
  )
  insert into run_bodies (run_id, payload, result) select id, '{"n": 1}', '{"pages": 12}' from past`

const writeRunEvents = (sql: Sql, beginMs: number, from: number, to: number) => sql`
  insert into events (id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, run_id, sequence, attempt, data)
  select uuidv7(), 'default', case s when 1 then 'run.created' else 'run.completed' end, ${timeOf(sql, 'n', beginMs)} + (s - 1) * interval '1 s',
    case s when 1 then 'api_key' else 'worker' end, 'bench', ${runId(sql, `(n - n % ${FAMILY})`, beginMs)}::text, ${runId(sql, 'n', beginMs)}, s, 1,
    '{"state": "completed"}'
  from generate_series(${from}::int, ${to}::int) n, generate_series(1, ${EVENTS_PER_RUN}::int) s`

const writeOtherEvents = (sql: Sql, beginMs: number, from: number, to: number) => sql`
  insert into events (id, project_id, type, occurred_at, actor_type, actor_id, resource_type, resource_id, correlation_id, data)
  select uuidv7(), 'default', case n % 4 when 0 then 'document.read' when 1 then 'document.shared' else 'document.changed' end,
    ${timeOf(sql, `(n::bigint * ${RUNS} / ${OTHER_EVENTS})`, beginMs)}, 'user', 'u' || n % ${USERS}::int, 'document', 'd' || n % ${DOCUMENTS}::int,
    'chain-' || n / ${OTHER_EVENTS / CHAINS}::int, '{"words": 12}'
  from generate_series(${from}::int, ${to}::int) n`

const writeDecisions = (sql: Sql, beginMs: number, from: number, to: number) => sql`
  insert into authorizations (id, project_id, agent_id, tool, state, reason, risk_level, policy_version, cost_microusd, hour, created_at)
  select uuidv7(), 'default', 'agent-' || n % ${AGENTS}::int, 'tool-' || n / ${AGENTS}::int % ${TOOLS}::int,
    case n % 7 when 0 then 'blocked' else 'settled' end, case n % 7 when 0 then 'tool_explicitly_blocked' else 'ok' end, 'low', 1, 10,
    date_trunc('hour', at, 'UTC'), at
  from (
    select n, date_trunc('milliseconds', to_timestamp((${beginMs}::bigint + n * ${DECISION_STEP_MS}::float8) / 1000)) as at
    from generate_series(${from}::int, ${to}::int) n
  ) calls`

/** The sums that the product keeps as it writes, and folds hour by hour. */
async function sumUp(url: string): Promise<void> {
  const sql = connect(url, { max: 1, name: 'runyard-bench', statementTimeoutMs: 0 })
  await sql`
    insert into event_counts as c (project_id, hour, type, resource_type, actor_type, actor_id, shard, n)
    select project_id, date_bin('1 hour', occurred_at, '2000-01-01Z'), type, coalesce(resource_type, case when run_id is null then '' else 'run' end),
      actor_type, coalesce(actor_id, ''), 64, count(*)
    from events group by 1, 2, 3, 4, 5, 6`
  await sql`
    insert into resources (project_id, type, id, uuid)
    select distinct project_id, resource_type, resource_id, md5(resource_id)::uuid from events where resource_id like 'd%'
    on conflict do nothing`
  await sql`
    insert into agents (project_id, id) select distinct project_id, agent_id from authorizations on conflict do nothing`
  await sql`
    insert into agent_hours (project_id, agent_id, hour, tool, allowed, blocked, cost_microusd)
    select project_id, agent_id, hour, tool, count(*) filter (where state = 'settled'), count(*) filter (where state = 'blocked'),
      coalesce(sum(cost_microusd) filter (where state = 'settled'), 0)
    from authorizations group by 1, 2, 3, 4`
  while ((await foldCounts(sql, FOLD_ROWS)) === FOLD_ROWS);
  await sql.unsafe('vacuum analyze event_counts, event_sums, actor_sums')
  await sql.end({ timeout: 5 })
}

const FOLD_ROWS = 50_000
