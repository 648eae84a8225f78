// Writes parts of traces: what is kept of them as events, what is not as something to remember, in one transaction. A
// request that is sent again after a crash finds both or neither.
import type { Ctx } from '#bell/ctx.ts'
import { type Tx, transact } from '#bell/transact.ts'
import type { Actor } from '#core/event.ts'
import { appendIn } from '#log/append-event.ts'
import type { Appended } from '#log/append-events.sql.ts'
import type { Db } from '#postgres/sql.ts'
import { insertExternalRun } from '#run-state/insert/insert-external-run.sql.ts'
import { lockStandings } from '#runs/attempts/fence.sql.ts'
import { bookCallsIn } from '#usage/book-call.ts'
import { lockBudgets, type UsageCall } from '#usage/book-usage.sql.ts'
import { agentOfRun } from '#usage/spend.ts'
import { type HeldSpan, holdSpans, lockTraces, readHeldSpans } from './held-spans.sql.ts'
import { type KnownSpans, keepSpans } from './keep-spans.ts'
import type { TracePart } from './place-spans.ts'
import type { Prices } from './price-spans.ts'
import type { SpanFact } from './read-span.ts'
import { durationOf, eventOfSpan, isBooked, jsonOfText, statusOf } from './span-event.ts'
import { insertToolCalls } from './tool-calls.sql.ts'

export type Sender = { projectId: string; actor: Actor }
export type WrittenPart = TracePart & { kept: SpanFact[]; root: SpanFact | undefined }

/** Who is charged when neither the spans nor their process name an agent or a service. */
const NAMELESS = 'opentelemetry'
const EVENTS_MAX = 1_000
const CALLS_MAX = 500

const agentOf = ({ agentId, sender }: SpanFact, { attachedTo }: TracePart): string =>
  agentId ?? (attachedTo && agentOfRun(attachedTo)) ?? sender.agentId ?? NAMELESS

export async function writeTraces(
  ctx: Ctx,
  sender: Sender,
  { parts, prices }: { parts: readonly TracePart[]; prices: Prices },
): Promise<WrittenPart[]> {
  return transact(ctx, async (tx) => {
    await lockTraces(tx, parts)
    const known = knownIn(await readHeldSpans(tx, parts))
    const written: WrittenPart[] = []
    const held: HeldSpan[] = []
    for (const part of parts) {
      const { kept, changed, root } = keepSpans(
        part.facts,
        ({ kind }) => kind !== undefined,
        known.get(keyOf(part)) ?? new Map(),
      )
      written.push({ ...part, kept: kept.sort(byEnd), root })
      for (const [spanId, { isWanted, span }] of changed)
        held.push({ runId: part.runId, traceId: part.traceId, spanId, isWanted, span: span ? heldText(span) : null })
    }
    await holdSpans(tx, held)
    for (const part of written) await beginRun(tx, sender, part)
    const calls = callsIn(sender, written, prices)
    // In this order, as all who lock both; and all of them before the first is written to.
    if (calls.length > 0) await lockBudgets(tx, calls)
    await lockStandings(
      tx,
      written.map(({ runId }) => runId),
    )
    // First, since most calls of models end before the steps that make them.
    for (let at = 0; at < calls.length; at += CALLS_MAX) await bookCallsIn(tx, calls.slice(at, at + CALLS_MAX))
    await writeOthers(tx, sender, written)
    return written
  })
}

function callsIn({ projectId, actor }: Sender, parts: readonly WrittenPart[], prices: Prices): UsageCall[] {
  return parts.flatMap((part) =>
    part.kept.flatMap((fact) => {
      const price = prices.get(fact)
      if (!price) return []
      const [agentId, runId] = [agentOf(fact, part), part.runId]
      const event = eventOfSpan(fact, { projectId, actor, runId, agentId })
      const usage = {
        ...fact.model!,
        cachedTokens: null,
        reasoningTokens: null,
        cost: price.cost,
        runId,
        projectId,
        jobId: part.attachedTo?.jobId ?? null,
        agentId,
      }
      return [{ event: { ...event, data: { ...(event.data as object), ...price.data } }, usage }]
    }),
  )
}

async function writeOthers(tx: Tx, { projectId, actor }: Sender, parts: readonly WrittenPart[]): Promise<void> {
  const all = parts.flatMap((part) =>
    part.kept
      .filter((fact) => !isBooked(fact))
      .map((fact) => ({
        fact,
        event: eventOfSpan(fact, { projectId, actor, runId: part.runId, agentId: agentOf(fact, part) }),
      })),
  )
  for (let at = 0; at < all.length; at += EVENTS_MAX) {
    const page = all.slice(at, at + EVENTS_MAX)
    const appended = await appendIn(
      tx,
      page.map(({ event }) => event),
    )
    await insertToolCalls(
      tx,
      page.flatMap(({ fact, event }, index) => toolCallOf(fact, event.runId!, appended[index]!)),
    )
  }
}

function toolCallOf(fact: SpanFact, runId: string, appended: Appended) {
  if (!fact.tool || appended.outcome !== 'appended') return []
  return [
    {
      runId,
      sequence: appended.sequence!,
      toolName: fact.tool.name,
      input: jsonOfText(fact.tool.input),
      output: jsonOfText(fact.tool.output),
      durationMs: durationOf(fact) ?? null,
      status: statusOf(fact),
    },
  ]
}

/** A trace becomes a run with the first of its spans that is kept. */
async function beginRun(tx: Db, { projectId, actor }: Sender, part: WrittenPart): Promise<void> {
  if (part.attachedTo || part.kept.length === 0) return
  // The outermost agent that is named began first.
  const byStart = part.kept.toSorted((one, other) => (one.startMs ?? 0) - (other.startMs ?? 0))
  const outermost = byStart.find(({ agentId }) => agentId !== undefined) ?? byStart[0]!
  await insertExternalRun(tx, {
    id: part.runId,
    projectId,
    clientId: part.traceId,
    actor,
    correlationId: part.runId,
    agentId: agentOf(outermost, part),
  })
}

/** As things ended; of those that ended together, what began last was within the others. */
const byEnd = (one: SpanFact, other: SpanFact): number =>
  one.endMs! - other.endMs! || (other.startMs ?? 0) - (one.startMs ?? 0) || (one.spanId < other.spanId ? -1 : 1)

const keyOf = ({ runId, traceId }: { runId: string; traceId: string }): string => `${runId} ${traceId}`

function knownIn(rows: readonly HeldSpan[]): Map<string, KnownSpans<SpanFact>> {
  const known = new Map<string, Map<string, { isWanted: boolean; span: SpanFact | undefined }>>()
  for (const row of rows) {
    const ofTrace = known.get(keyOf(row)) ?? new Map()
    known.set(keyOf(row), ofTrace)
    ofTrace.set(row.spanId, { isWanted: row.isWanted, span: row.span === null ? undefined : heldFact(row) })
  }
  return known
}

type HeldFact = Pick<
  SpanFact,
  'parentSpanId' | 'name' | 'agentId' | 'sender' | 'startMs' | 'endMs' | 'isError' | 'message'
>

/** Of a span that is of no agent, what the tree needs: no attributes. */
function heldText({ parentSpanId, name, agentId, sender, startMs, endMs, isError, message }: SpanFact): string {
  return JSON.stringify({ parentSpanId, name, agentId, sender, startMs, endMs, isError, message } satisfies HeldFact)
}

function heldFact({ traceId, spanId, span }: HeldSpan): SpanFact {
  return { ...plain(JSON.parse(span!) as HeldFact), traceId, spanId }
}

const plain = (held: HeldFact) => ({
  ...held,
  kind: undefined,
  runId: undefined,
  model: undefined,
  tool: undefined,
  conversationId: undefined,
  attributes: new Map(),
  dropped: 0,
})
