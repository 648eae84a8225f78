// The event of a span. Its id follows from run, trace and span, so that a span that is sent again is the same event; its
// cause is the event of the span above it, so that the chain of a run is the tree of its trace.
import type { Actor } from '#core/event.ts'
import { answerProblem, storableAnswer } from '#core/storable.ts'
import type { NewEvent } from '#log/new-event.sql.ts'
import { derivedId } from '#postgres/id.ts'
import type { SpanFact } from './read-span.ts'

export type SpanPlace = { projectId: string; actor: Actor; runId: string; agentId: string }

/** Of a column of durations on the wire. */
const DURATION_MS_MAX = 2_147_483_647

/** A call of a model whose usage is to be booked: one that failed without any has none. */
export const isBooked = ({ kind, isError, model }: SpanFact): boolean =>
  kind === 'model' && !(isError && model!.totalTokens === 0 && model!.costMicrousd === undefined)

export function eventOfSpan(fact: SpanFact, { projectId, actor, runId, agentId }: SpanPlace): NewEvent {
  const idOf = (spanId: string) => derivedId('span', runId, fact.traceId, spanId)
  return {
    id: idOf(fact.spanId),
    idGiven: true,
    projectId,
    actor,
    runId,
    agentId,
    type: typeOf(fact),
    occurredAt: new Date(fact.endMs!),
    causationId: fact.parentSpanId === null ? undefined : idOf(fact.parentSpanId),
    ...(fact.kind !== 'model' && fact.kind !== 'tool' && { step: fact.name }),
    tool: fact.tool?.name,
    status: statusOf(fact),
    message: fact.message ?? undefined,
    durationMs: durationOf(fact),
    data: dataOf(fact),
  }
}

export const statusOf = ({ isError }: SpanFact): 'failed' | 'completed' => (isError ? 'failed' : 'completed')

export function durationOf({ startMs, endMs }: SpanFact): number | undefined {
  if (startMs === null || endMs === null) return undefined
  return Math.min(DURATION_MS_MAX, Math.max(0, Math.round((endMs - startMs) * 1_000) / 1_000))
}

function typeOf(fact: SpanFact): string {
  if (isBooked(fact)) return 'usage.recorded'
  const subject = fact.kind === 'tool' ? 'tool_call' : fact.kind === 'model' ? 'model_call' : 'step'
  return `agent.${subject}.${statusOf(fact)}`
}

function dataOf({ traceId, spanId, parentSpanId, kind, name, model, conversationId, attributes, dropped }: SpanFact) {
  return {
    ...(model && {
      provider: model.provider,
      model: model.model,
      prompt_tokens: model.promptTokens,
      completion_tokens: model.completionTokens,
      total_tokens: model.totalTokens,
    }),
    trace_id: traceId,
    span_id: spanId,
    ...(parentSpanId !== null && { parent_span_id: parentSpanId }),
    ...(kind && { span_kind: kind }),
    span_name: name,
    ...(conversationId !== undefined && { conversation_id: conversationId }),
    ...(attributes.size > 0 && { attributes: Object.fromEntries(attributes) }),
    ...(dropped > 0 && { attributes_dropped: dropped }),
  }
}

/** What a tool was given or returned, as JSON text: most instrumentations send JSON in text. */
export function jsonOfText(text: string | undefined): string | null {
  if (text === undefined) return null
  try {
    const value: unknown = JSON.parse(text)
    if (answerProblem(text, value) === undefined) return storableAnswer(text, value).text
  } catch {
    // Text, or JSON that was cut.
  }
  return JSON.stringify(text)
}
