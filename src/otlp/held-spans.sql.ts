// What is remembered of spans that are of no agent, by run and trace: whether one is wanted, because a span below it is
// kept, and what it was. For an hour, in which the parts of a trace arrive.
import { rowsOf } from '#postgres/rows.ts'
import type { Db } from '#postgres/sql.ts'

export type TraceOfRun = { runId: string; traceId: string }
/** `span` is JSON text; null until it is seen. */
export type HeldSpan = TraceOfRun & { spanId: string; isWanted: boolean; span: string | null }

const traceRows = (db: Db, traces: readonly TraceOfRun[]) =>
  rowsOf(db, traces, { 'run_id uuid': (it) => it.runId, 'trace_id text': (it) => it.traceId })

/** Until the transaction ends: two requests with parts of one trace must see what the other remembers. */
export async function lockTraces(tx: Db, traces: readonly TraceOfRun[]): Promise<void> {
  await tx`
    select pg_advisory_xact_lock(key) from (
      select distinct hashtextextended(run_id::text || trace_id, 9) as key
      from ${traceRows(tx, traces)}
      order by 1
    ) keys`
}

export const readHeldSpans = async (db: Db, traces: readonly TraceOfRun[]): Promise<HeldSpan[]> => [
  ...(await db<HeldSpan[]>`
    select run_id as "runId", trace_id as "traceId", span_id as "spanId", is_wanted as "isWanted", span::text
    from held_spans
    where (run_id, trace_id) in (select t.run_id, t.trace_id from ${traceRows(db, traces)})`),
]

export async function holdSpans(db: Db, spans: readonly HeldSpan[]): Promise<void> {
  if (spans.length === 0) return
  await db`
    insert into held_spans as h (run_id, trace_id, span_id, is_wanted, span)
    select run_id, trace_id, span_id, wanted = 1, span::json
    from ${rowsOf(db, spans, {
      'run_id uuid': (it) => it.runId,
      'trace_id text': (it) => it.traceId,
      'span_id text': (it) => it.spanId,
      'wanted int': (it) => (it.isWanted ? 1 : 0),
      'span text': (it) => it.span,
    })}
    order by run_id, trace_id, span_id
    on conflict (run_id, trace_id, span_id) do update set
      is_wanted = h.is_wanted or excluded.is_wanted,
      span = coalesce(h.span, excluded.span),
      seen_at = excluded.seen_at`
}

export async function deleteOldHeldSpans(sql: Db, limit: number): Promise<number> {
  const rows = await sql`
    delete from held_spans where (run_id, trace_id, span_id) in (
      select run_id, trace_id, span_id from held_spans
      where seen_at < clock_timestamp() - interval '1 hour'
      order by seen_at limit ${limit})
    returning 1`
  return rows.length
}
