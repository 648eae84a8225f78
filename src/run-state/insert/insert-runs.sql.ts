// New runs: the run, its state, its body, its place in the queue, its idempotency key and its first event, for up
// to 500 runs in one statement. Single and batch triggers, cron, spawns and replays all come through here.
import type { Actor } from '#core/event.ts'
import { HTTP_QUEUE } from '#core/queue.ts'
import type { RunState, Trigger } from '#core/run.ts'
import { countMoves, countRunEvents, tally } from '#log/counts/counts.sql.ts'
import { column } from '#postgres/column.ts'
import { newId } from '#postgres/id.ts'
import { jsonText } from '#postgres/json.ts'
import type { Db } from '#postgres/sql.ts'
import { insertLabels } from '../labels.sql.ts'
import { type NewWait, newWaits } from '../move/wait-parts.sql.ts'

export type NewRun = {
  id: string
  projectId: string
  jobId: string
  /** The version that the caller read the settings from; when the job has moved on, it reads again. */
  jobVersion: number
  actor: Actor
  causationId?: string | undefined
  correlationId?: string | undefined
  triggeredBy: Trigger
  payload?: unknown
  /** Absent: now. */
  scheduledAt?: Date | undefined
  delayMs?: number | undefined
  rank: number
  timeoutSecs: number
  maxAttempts: number
  ttlSecs?: number | undefined
  overrides?: object | undefined
  tags: Record<string, string>
  metadata: Record<string, string>
  concurrencyKey?: string | undefined
  idempotency?: { key: string; fingerprint: string } | undefined
  batchId?: string | undefined
  agentId?: string | undefined
  debugMode?: boolean | undefined
  traceparent?: string | undefined
  parentRunId?: string | undefined
  continuationOf?: string | undefined
  lineageDepth?: number | undefined
  replayedFrom?: string | undefined
  /** Goes on when its parent is canceled or fails. */
  detached?: boolean | undefined
  preset?: string | undefined
  environment?: Record<string, string> | undefined
  /** The queue of its preset; the job's when absent. */
  queue?: string | undefined
  /** How many dependencies the job had when the caller looked; when it has others by now, the caller looks again. */
  dependencies?: number | undefined
  /** What it waits for before it may begin. */
  wait?: NewWait | undefined
}

export type InsertedRun =
  | { outcome: 'created'; state: RunState; createdAt: Date }
  /** The key was used: by which run, and for which request. */
  | { outcome: 'key_taken'; runId: string; fingerprint: string }
  | { outcome: 'job_changed' | 'job_missing' | 'job_disabled' | 'job_paused' }

/** Items of one call must not share an idempotency key. Answers in the order of `runs`. */
export async function insertRuns(sql: Db, runs: readonly NewRun[]): Promise<InsertedRun[]> {
  const rows = await sql<Row[]>`
    with input as not materialized (
      select t.*, coalesce(rare::jsonb, '{}') as more from unnest(
        ${column(runs.map((it) => it.id))}::uuid[], ${column(runs.map(() => newId()))}::uuid[], ${column(runs.map((it) => it.projectId))}::text[],
        ${column(runs.map((it) => it.jobId))}::uuid[], ${column(runs.map((it) => it.jobVersion))}::int[],
        ${column(runs.map((it) => it.actor.type))}::text[], ${column(runs.map((it) => it.actor.id))}::text[],
        ${column(runs.map((it) => it.correlationId ?? it.id))}::text[], ${column(runs.map((it) => it.triggeredBy))}::text[],
        ${column(runs.map((it) => jsonText(it.payload)))}::text[],
        ${column(runs.map((it) => it.scheduledAt?.toISOString() ?? null))}::timestamptz[], ${column(runs.map((it) => it.delayMs ?? null))}::float8[],
        ${column(runs.map((it) => it.rank))}::int[], ${column(runs.map((it) => it.timeoutSecs))}::int[], ${column(runs.map((it) => it.maxAttempts))}::int[],
        ${column(runs.map((it) => it.ttlSecs ?? null))}::int[], ${column(runs.map((it) => jsonText(it.tags)))}::text[],
        ${column(runs.map((it) => jsonText(it.metadata)))}::text[], ${column(runs.map((it) => it.concurrencyKey ?? ''))}::text[],
        ${column(runs.map((it) => it.idempotency?.key ?? null))}::text[], ${column(runs.map((it) => it.idempotency?.fingerprint ?? null))}::text[],
        ${column(runs.map((it) => it.batchId ?? null))}::uuid[], ${column(runs.map(rareText))}::text[]
      ) with ordinality as t (id, event_id, project_id, job_id, job_version, actor_type, actor_id, correlation_id, triggered_by, payload,
        scheduled_at, delay_ms, rank, timeout_secs, max_attempts, ttl_secs, tags, metadata, concurrency_key, key, fingerprint, batch_id, rare, ord)
    ), judged as materialized (
      select i.*, j.execution, case when j.execution = 'http' then ${HTTP_QUEUE} else coalesce(more->>'queue', j.queue) end as queue,
        case when coalesce(scheduled_at, i.created_at + delay_ms * interval '1 ms') > i.created_at then 'delayed'
          when more ? 'wait' then 'waiting' else 'queued' end as state,
        coalesce(scheduled_at, date_trunc('milliseconds', i.created_at + coalesce(delay_ms, 0) * interval '1 ms')) as due_at,
        case when j.id is null then 'job_missing' when j.version <> i.job_version or j.dependencies <> coalesce((more->>'dependencies')::int, 0) then 'job_changed' when not j.enabled then 'job_disabled'
          when j.paused_at is not null and j.when_paused = 'refuse' then 'job_paused' end as problem
      from (
        -- "offset 0": the clock is read once for each run, not once for each use. No two runs of a statement share a
        -- time, so that those of a batch can be told apart by it.
        select *, clock_timestamp() + ord * interval '1 microsecond' as created_at from input offset 0
      ) i left join jobs j on j.id = i.job_id and j.project_id = i.project_id and j.deleted_at is null
    ), keyed as (
      -- A key whose time is over is taken over; one that lives stays, and its run is the answer.
      insert into idempotency_keys as k (job_id, key, run_id, fingerprint)
      select job_id, key, id, decode(fingerprint, 'hex') from judged where key is not null and problem is null order by job_id, key
      on conflict (job_id, key) do update set run_id = excluded.run_id, fingerprint = excluded.fingerprint, expires_at = null
      where k.expires_at < clock_timestamp()
      returning run_id
    ), fresh as not materialized (
      select *, null::text as state_before, 'run.created'::text as type, date_trunc('milliseconds', created_at) as occurred_at, id as run_id, more->>'wait' as wait
      from judged where problem is null and (key is null or exists (select from keyed where keyed.run_id = judged.id))
    ), asked as (
      insert into runs (id, project_id, job_id, job_version, execution, queue, triggered_by, created_by_type, created_by_id, correlation_id,
        parent_run_id, continuation_of, lineage_depth, replayed_from, batch_id, idempotency_key, concurrency_key, rank, timeout_secs,
        max_attempts, ttl_secs, overrides, tags, metadata, agent_id, debug_mode, traceparent, created_at, detached, preset, environment)
      select id, project_id, job_id, job_version, execution, queue, triggered_by, actor_type, actor_id, correlation_id,
        (more->>'parentRunId')::uuid, (more->>'continuationOf')::uuid, coalesce((more->>'lineageDepth')::int, 0), (more->>'replayedFrom')::uuid,
        batch_id, key, concurrency_key, rank, timeout_secs, max_attempts, ttl_secs, more->'overrides', tags::jsonb, metadata::jsonb,
        more->>'agentId', coalesce((more->>'debugMode')::boolean, false), more->>'traceparent', created_at,
        coalesce((more->>'detached')::boolean, false), more->>'preset', more->'environment'
      from fresh
    ), states as (
      insert into run_states (run_id, project_id, state, listed_state, last_sequence, created_at, state_since, due_at, scheduled_at, expires_at)
      select id, project_id, state, case when state = 'waiting' then state end, 1, created_at, created_at, case when state = 'delayed' then due_at end, scheduled_at,
        due_at + ttl_secs * interval '1 s'
      from fresh
    ), bodies as (
      insert into run_bodies (run_id, payload) select id, payload::jsonb from fresh
    ), queued as (
      insert into run_queue (run_id, project_id, queue, job_id, concurrency_key, rank, ready, due_at, expires_at, agent_id, created_at)
      select id, project_id, queue, job_id, concurrency_key, rank, state = 'queued', due_at, due_at + ttl_secs * interval '1 s', more->>'agentId', created_at from fresh
      where state <> 'waiting'
    ), waiting as (${newWaits(sql, 'fresh')}
    ), labeled as (${insertLabels(sql, 'fresh')}
    ), tallied as materialized (${tally(sql, 'fresh')}
    ), counted as (${countMoves(sql, 'tallied')}
    ), counted_events as (${countRunEvents(sql, 'tallied')}
    ), logged as (
      insert into events (id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, causation_id, run_id, sequence, attempt, agent_id, data)
      select event_id, project_id, type, occurred_at, actor_type, actor_id, correlation_id, (more->>'causationId')::uuid, id, 1, 1, more->>'agentId',
        jsonb_build_object('state', state, 'triggered_by', triggered_by)
      from fresh
    )
    select ord::int, problem, created_at, job_id, key,
      case when problem is null and (key is null or exists (select from keyed where keyed.run_id = judged.id)) then state end as state
    from judged order by ord`
  const taken = rows.filter((row) => !row.problem && !row.state)
  const holders = taken.length === 0 ? [] : await findKeyHolders(sql, taken)
  const holderOf = new Map(holders.map((holder) => [`${holder.job_id} ${holder.key}`, holder]))
  return rows.map((row) => {
    if (row.problem) return { outcome: row.problem }
    if (row.state) return { outcome: 'created', state: row.state, createdAt: row.created_at! }
    const holder = holderOf.get(`${row.job_id} ${row.key}`)
    // Freed between the two statements: the caller asks again, and gets the key.
    return holder
      ? { outcome: 'key_taken', runId: holder.run_id, fingerprint: holder.fingerprint }
      : { outcome: 'job_changed' }
  })
}

type Row = {
  ord: number
  problem: 'job_changed' | 'job_missing' | 'job_disabled' | 'job_paused' | null
  state: RunState | null
  created_at: Date | null
  job_id: string
  key: string | null
}

const findKeyHolders = (sql: Db, taken: readonly Row[]) => sql<
  { job_id: string; key: string; run_id: string; fingerprint: string }[]
>`
  select k.job_id, k.key, k.run_id, encode(k.fingerprint, 'hex') as fingerprint
  from unnest(${taken.map((row) => row.job_id)}::uuid[], ${taken.map((row) => row.key)}::text[]) as t (job_id, key)
  join idempotency_keys k using (job_id, key)`

/** What few runs have travels together, so that the many do not carry empty columns. */
function rareText(run: NewRun): string | null {
  const text = JSON.stringify({
    parentRunId: run.parentRunId,
    continuationOf: run.continuationOf,
    lineageDepth: run.lineageDepth,
    replayedFrom: run.replayedFrom,
    overrides: run.overrides,
    agentId: run.agentId,
    debugMode: run.debugMode,
    traceparent: run.traceparent,
    causationId: run.causationId,
    detached: run.detached,
    preset: run.preset,
    environment: run.environment,
    queue: run.queue,
    dependencies: run.dependencies,
    wait: run.wait,
  })
  return text === '{}' ? null : text
}
