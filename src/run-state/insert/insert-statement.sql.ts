// The statement of insertRuns, in two texts: for runs that bring a key, labels, a time, a wait or anything else that
// few runs have, and for those that bring nothing of it. Told in this order: judge the requests by their jobs, take
// the keys, then write the run, its state, its body, its place and its labels, count, and write the log.
import { HTTP_QUEUE } from '#core/queue.ts'
import type { RunState } from '#core/run.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import { type Columns, slotRowsOf } from '#postgres/rows.ts'
import type { Db, Fragment } from '#postgres/sql.ts'
import { statement } from '#postgres/statement.ts'
import { insertLabels } from '../labels.sql.ts'
import { newWaits } from '../move/wait-parts.sql.ts'
import type { NewRun } from './new-run.sql.ts'

export const PLAIN_INPUT = {
  'id uuid': (it) => it.id,
  'event_id uuid': () => newId(),
  'project_id text': (it) => it.projectId,
  'job_id uuid': (it) => it.jobId,
  'job_version int': (it) => it.jobVersion,
  'actor_type text': (it) => it.actor.type,
  'actor_id text': (it) => it.actor.id,
  'correlation_id text': (it) => it.correlationId ?? it.id,
  'triggered_by text': (it) => it.triggeredBy,
  'payload text': (it) => jsonText(it.payload),
  'rank int': (it) => it.rank,
  'timeout_secs int': (it) => it.timeoutSecs,
  'max_attempts int': (it) => it.maxAttempts,
  'ttl_secs int': (it) => it.ttlSecs,
  'concurrency_key text': (it) => it.concurrencyKey ?? '',
  'batch_id uuid': (it) => it.batchId,
} satisfies Columns<NewRun>

export const WHOLE_INPUT = {
  ...PLAIN_INPUT,
  'scheduled_at timestamptz': (it) => it.scheduledAt?.toISOString(),
  'delay_ms float8': (it) => it.delayMs,
  'tags text': (it) => jsonText(it.tags),
  'metadata text': (it) => jsonText(it.metadata),
  'key text': (it) => it.idempotency?.key,
  'fingerprint text': (it) => it.idempotency?.fingerprint,
  'causation_id uuid': (it) => it.causationId,
  'parent_run_id uuid': (it) => it.parentRunId,
  'continuation_of uuid': (it) => it.continuationOf,
  'lineage_depth int': (it) => it.lineageDepth,
  'replayed_from uuid': (it) => it.replayedFrom,
  'overrides text': (it) => jsonText(it.overrides),
  'agent_id text': (it) => it.agentId,
  'debug_mode int': (it) => (it.debugMode ? 1 : null),
  'traceparent text': (it) => it.traceparent,
  'detached int': (it) => (it.detached ? 1 : null),
  'preset text': (it) => it.preset,
  'environment text': (it) => jsonText(it.environment),
  'own_queue text': (it) => it.queue,
  'dependencies int': (it) => it.dependencies,
  'wait text': (it) => jsonText(it.wait),
} satisfies Columns<NewRun>

export type Inserted = {
  problem: 'job_changed' | 'job_missing' | 'job_disabled' | 'job_paused' | null
  state: RunState | null
  created_at: Date | null
  queue: string
  job_id: string
  key: string | null
}

export const plainInsertStatement = statement<Inserted>(
  (sql) => sql`
    with input as not materialized (select * from ${slotRowsOf<NewRun>(sql, PLAIN_INPUT)}),
    judged as materialized (
      select i.*, j.execution, ${queueOf(sql, sql`j.queue`)} as queue, i.created_at as due_at, 'queued' as state,
        ${problemOf(sql, sql`0`)} as problem
      from (${timed(sql)}) i ${ofJobs(sql)}
    ),
    fresh as not materialized (${freshRuns(sql)} where problem is null),
    asked as (
      insert into runs (
        id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, created_by_id,
        correlation_id, batch_id, concurrency_key, rank, timeout_secs, max_attempts, ttl_secs, created_at)
      select
        id, project_id, job_id, job_version, execution, queue, triggered_by, actor_type, actor_id,
        correlation_id, batch_id, concurrency_key, rank, timeout_secs, max_attempts, ttl_secs, created_at
      from fresh
    ),
    states as (
      insert into run_states (run_id, project_id, state, last_sequence, created_at, state_since, expires_at)
      select id, project_id, state, 1, created_at, created_at, due_at + ttl_secs * interval '1 s' from fresh
    ),
    bodies as (${insertedBodies(sql)}),
    queued as (${queuedRuns(sql, sql`null`)}),
    ${counted(sql)},
    logged as (${loggedRuns(sql, { causation: sql`null::uuid`, agent: sql`null` })})
    select problem, created_at, queue, job_id, null as key, case when problem is null then state end as state
    from judged order by ord`,
)

export const insertStatement = statement<Inserted>(
  (sql) => sql`
    with input as not materialized (select * from ${slotRowsOf<NewRun>(sql, WHOLE_INPUT)}),
    judged as materialized (
      select
        i.*,
        j.execution,
        ${queueOf(sql, sql`coalesce(i.own_queue, j.queue)`)} as queue,
        coalesce(scheduled_at, date_trunc('milliseconds', i.created_at + coalesce(delay_ms, 0) * interval '1 ms'))
          as due_at,
        case when coalesce(scheduled_at, i.created_at + delay_ms * interval '1 ms') > i.created_at then 'delayed'
          when i.wait is not null then 'waiting'
          else 'queued' end as state,
        ${problemOf(sql, sql`coalesce(i.dependencies, 0)`)} as problem
      from (${timed(sql)}) i ${ofJobs(sql)}
    ),
    keyed as (${takenKeys(sql)}),
    fresh as not materialized (
      ${freshRuns(sql)}
      where problem is null and (key is null or exists (select from keyed where keyed.run_id = judged.id))
    ),
    asked as (
      insert into runs (
        id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, created_by_id,
        correlation_id, parent_run_id, continuation_of, lineage_depth, replayed_from, batch_id, idempotency_key,
        concurrency_key, rank, timeout_secs, max_attempts, ttl_secs, overrides, tags, metadata, agent_id,
        debug_mode, traceparent, created_at, detached, preset, environment)
      select
        id, project_id, job_id, job_version, execution, queue, triggered_by, actor_type, actor_id,
        correlation_id, parent_run_id, continuation_of, coalesce(lineage_depth, 0), replayed_from, batch_id, key,
        concurrency_key, rank, timeout_secs, max_attempts, ttl_secs, overrides::jsonb, tags::jsonb, metadata::jsonb,
        agent_id, debug_mode is not null, traceparent, created_at, detached is not null, preset, environment::jsonb
      from fresh
    ),
    states as (
      insert into run_states (
        run_id, project_id, state, listed_state, last_sequence, created_at, state_since, due_at, scheduled_at,
        expires_at)
      select
        id, project_id, state, case when state = 'waiting' then state end, 1, created_at, created_at,
        case when state = 'delayed' then due_at end, scheduled_at, due_at + ttl_secs * interval '1 s'
      from fresh
    ),
    bodies as (${insertedBodies(sql)}),
    queued as (${queuedRuns(sql, sql`agent_id`)} where state <> 'waiting'),
    waiting as (${newWaits(sql, 'fresh')}),
    labeled as (${insertLabels(sql, 'fresh')}),
    ${counted(sql)},
    logged as (${loggedRuns(sql, { causation: sql`causation_id`, agent: sql`agent_id` })})
    select problem, created_at, queue, job_id, key,
      case when problem is null and (key is null or exists (select from keyed where keyed.run_id = judged.id))
        then state end as state
    from judged order by ord`,
)

/**
 * The clock is read once for each run, not once for each use ("offset 0"). No two runs of a statement share a time, so
 * that those of a batch can be told apart by it.
 */
const timed = (sql: Db): Fragment =>
  sql`select *, clock_timestamp() + ord * interval '1 microsecond' as created_at from input offset 0`

const ofJobs = (sql: Db): Fragment =>
  sql`left join jobs j on j.id = i.job_id and j.project_id = i.project_id and j.deleted_at is null`

const queueOf = (sql: Db, named: Fragment): Fragment =>
  sql`case when j.execution = 'http' then ${sql.unsafe(`'${HTTP_QUEUE}'`)} else ${named} end`

/** A request is made with the job as its caller saw it; who saw another looks again. */
const problemOf = (sql: Db, dependencies: Fragment): Fragment => sql`
  case when j.id is null then 'job_missing'
    when j.version <> i.job_version or j.dependencies <> ${dependencies} then 'job_changed'
    when not j.enabled then 'job_disabled'
    when j.paused_at is not null and j.when_paused = 'refuse' then 'job_paused' end`

/** A key whose time is over is taken over; one that lives stays, and its run is the answer. Of `judged`. */
const takenKeys = (sql: Db): Fragment => sql`
  insert into idempotency_keys as k (job_id, key, run_id, fingerprint)
  select job_id, key, id, decode(fingerprint, 'hex')
  from judged where key is not null and problem is null
  order by job_id, key
  on conflict (job_id, key) do update set
    run_id = excluded.run_id,
    fingerprint = excluded.fingerprint,
    expires_at = null
  where k.expires_at < clock_timestamp()
  returning run_id`

const freshRuns = (sql: Db): Fragment => sql`
  select *, null::text as state_before, 'run.created'::text as type, id as run_id,
    date_trunc('milliseconds', created_at) as occurred_at
  from judged`

const insertedBodies = (sql: Db): Fragment =>
  sql`insert into run_bodies (run_id, payload) select id, payload::json from fresh`

const queuedRuns = (sql: Db, agent: Fragment): Fragment => sql`
  insert into run_queue (
    run_id, project_id, queue, job_id, concurrency_key, rank, ready, due_at, expires_at, agent_id, created_at)
  select
    id, project_id, queue, job_id, concurrency_key, rank, state = 'queued', due_at,
    due_at + ttl_secs * interval '1 s', ${agent}, created_at
  from fresh`

const counted = (sql: Db): Fragment => sql`
    tallied as materialized (${tally(sql, 'fresh')}),
    counted as (${countMoves(sql, 'tallied')}),
    counted_events as (${countRunEvents(sql, 'tallied')})`

const loggedRuns = (sql: Db, { causation, agent }: { causation: Fragment; agent: Fragment }): Fragment => sql`
  insert into events (
    id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, causation_id, run_id, sequence, attempt,
    agent_id, data)
  select
    event_id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, ${causation}, id, 1, 1,
    ${agent}, ('{"state":"' || state || '","triggered_by":"' || triggered_by || '"}')::json
  from fresh`
