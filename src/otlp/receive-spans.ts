// Spans that were exported become runs with steps, calls, usage and cost, or are attached to runs that exist.
import type { Ctx } from '#bell/ctx.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import type { Decoded } from './decode.ts'
import { placeSpans, type TracePart } from './place-spans.ts'
import { priceSpans } from './price-spans.ts'
import { factOf, type SpanFact } from './read-span.ts'
import { type Sender, type WrittenPart, writeTraces } from './write-traces.ts'

/** Parts of traces that are written in one transaction. */
const PARTS_MAX = 50

export type Received = { rejected: number; reasons: string[] }

/** Answers after the commit. The same spans again change nothing. */
export async function receiveSpans(ctx: Ctx, sender: Sender, { spans, rejected }: Decoded): Promise<Received> {
  const { parts, unplaced } = await placeSpans(ctx, sender.projectId, endedOnce(spans.map(factOf)))
  const reasons = [...rejected, ...unplaced].map(({ reason }) => reason)
  for (let at = 0; at < parts.length; at += PARTS_MAX) {
    reasons.push(...(await receiveParts(ctx, sender, parts.slice(at, at + PARTS_MAX))))
  }
  return { rejected: reasons.length, reasons: tally(reasons) }
}

/** Returns why some of the spans could not be taken. */
async function receiveParts(ctx: Ctx, sender: Sender, given: readonly TracePart[]): Promise<Iterable<string>> {
  const all = given.flatMap(({ facts }) => facts)
  const { prices, reasons } = await priceSpans(ctx, sender.projectId, all)
  const parts = given.map((part) => ({ ...part, facts: part.facts.filter((fact) => !reasons.has(fact)) }))
  const written = await writeTraces(ctx, sender, { parts, prices })
  for (const part of written) await endRun(ctx, sender, part)
  return reasons.values()
}

/** A span that is under way is sent again when it has ended, and is told of then. */
function endedOnce(facts: readonly SpanFact[]): SpanFact[] {
  const ended = facts.filter(({ endMs }) => endMs !== null)
  return [...new Map(ended.map((fact) => [`${fact.traceId} ${fact.spanId}`, fact])).values()]
}

/** A run that is a trace ends with the root of the trace; one that a trace is attached to ends by itself. */
async function endRun(ctx: Ctx, { actor }: Sender, { runId, attachedTo, root }: WrittenPart): Promise<void> {
  if (attachedTo || !root) return
  const error = root.message ?? `${root.name} failed`
  // A run that is over stays as it is, and spans that come late are added to its log.
  await moveRun(ctx, {
    runId,
    actor,
    ...(root.isError ? { move: 'fail', error, message: error } : { move: 'complete' }),
    data: { trace_id: root.traceId, span_id: root.spanId },
  })
}

const REASONS_MAX = 10

function tally(reasons: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const told = [...counts].map(([reason, count]) => `${count} ${count === 1 ? 'span' : 'spans'}: ${reason}`)
  return told.length > REASONS_MAX ? [...told.slice(0, REASONS_MAX), 'and others'] : told
}
