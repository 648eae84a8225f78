// What a timeline is made of: the events of a run that spans begin and end with, without their bodies, as one JSON
// text. A row for each of fifty thousand events would cost the driver more than all else.
import type { Json } from '#core/json/json.ts'
import type { SpanData, SpanEvent } from '#core/spans/spans.ts'
import { CALL_TYPES, FRAME_TYPES } from '#core/spans/spans.ts'
import { eventData } from '#log/event-columns.sql.ts'
import type { Db } from '#postgres/sql.ts'

/** Events after the sequence that one answer looks at. */
const EVENTS_MAX = 50_000
/** Of those before it, the latest that show what was under way then. */
const FRAMES_MAX = 10_000
const TEXT_LENGTH_MAX = 200

type Cells = [
  sequence: number,
  type: string,
  atMs: number,
  attempt: number | null,
  step: string | null,
  tool: string | null,
  status: string | null,
  message: string | null,
  durationMs: number | null,
  resourceId: string | null,
  data: SpanData | null,
  id?: string | null,
  causationId?: string | null,
]
export type SpanEvents = { events: SpanEvent[]; lastSequence: number; hasMore: boolean }

/** In the order of their sequence. `lastSequence` is the latest that was looked at. */
export async function readSpanEvents(
  sql: Db,
  run: { id: string; createdAt: Date },
  afterSequence: number,
): Promise<SpanEvents> {
  // Nothing of a run is older than the run; the hour is for clocks that were set back.
  const ofRun = sql`
    run_id = ${run.id}::uuid and recorded_at >= ${run.createdAt.toISOString()}::timestamptz - interval '1 hour'`
  const [row] = await sql<{ cells: Json | null; n: number; last: number | null; lastSequence: number }[]>`
    with later as (
      select * from events
      where ${ofRun} and sequence > ${afterSequence}::bigint
        -- A run that somebody else executes begins with its first event, of whatever type.
        and (type = any(${[...FRAME_TYPES, ...CALL_TYPES]}::text[]) or sequence = 1)
      order by sequence limit ${EVENTS_MAX}::int
    ), earlier as (
      select * from events
      where ${ofRun} and sequence <= ${afterSequence}::bigint
        and (type = any(${FRAME_TYPES as string[]}::text[]) or sequence = 1)
      order by sequence desc limit ${FRAMES_MAX}::int
    ), narrow as (
      select
        sequence, type, (extract(epoch from occurred_at) * 1000)::bigint as at, attempt, step, tool, status,
        left(message, ${TEXT_LENGTH_MAX}::int) as message, duration_ms,
        case when resource_type is not null then resource_id end as resource_id,
        case when causation_id is not null or type like 'agent.step.%' then id end as id,
        causation_id,
        case
          when type in ('usage.recorded', 'agent.model_call.failed') then json_build_object(
            'model', left(said->>'model', ${TEXT_LENGTH_MAX}::int), 'total_tokens', said->'total_tokens',
            'cost_microusd', said->'cost_microusd')
          when type not like 'agent.%' and type <> 'progress' then json_build_object(
            'state', said->'state', 'from', said->'from', 'error', left(said->>'error', ${TEXT_LENGTH_MAX}::int),
            'error_code', left(said->>'error_code', 128), 'kind', left(said->>'kind', 32),
            'child_run_id', left(said->>'child_run_id', 256), 'job', left(said->>'job', 64))
        end as data
      from (select * from earlier union all select * from later) events
      cross join lateral (select ${eventData(sql, 'events')} as said) own
      order by sequence
    )
    select
      (
        select json_agg(json_build_array(
          sequence, type, at, attempt, step, tool, status, message, duration_ms, resource_id, data, id, causation_id))
        from narrow
      ) as cells,
      (select count(*) from later)::int as n,
      (select max(sequence) from later) as last,
      (select last_sequence from run_states where run_id = ${run.id}::uuid) as "lastSequence"`
  const { cells, n, last, lastSequence } = row!
  const hasMore = n === EVENTS_MAX
  return {
    events: ((cells?.value ?? []) as Cells[]).map(eventOf),
    lastSequence: hasMore ? last! : lastSequence,
    hasMore,
  }
}

const eventOf = (cells: Cells): SpanEvent => ({
  sequence: cells[0],
  type: cells[1],
  atMs: cells[2],
  attempt: cells[3],
  step: cells[4],
  tool: cells[5],
  status: cells[6],
  message: cells[7],
  durationMs: cells[8],
  resourceId: cells[9],
  data: cells[10],
  id: cells[11] ?? null,
  causationId: cells[12] ?? null,
})

export type ChildState = {
  runId: string
  jobSlug: string | null
  status: string
  createdAt: Date
  startedAt: Date | null
  finishedAt: Date | null
}

/** The children of a run, as they are now; the latest when there are more. */
export const readChildStates = async (sql: Db, runId: string, limit: number): Promise<ChildState[]> => [
  ...(await sql<ChildState[]>`
    select
      coalesce(r.client_id, r.id::text) as "runId",
      (select slug from jobs where jobs.id = r.job_id) as "jobSlug",
      s.state as status,
      r.created_at as "createdAt",
      s.started_at as "startedAt",
      s.finished_at as "finishedAt"
    from (
      select * from runs where parent_run_id = ${runId} order by created_at desc, id desc limit ${limit}::int
    ) r
    cross join lateral (select * from run_states where run_id = r.id offset 0) s
    order by r.created_at, r.id`),
]
