// The trace that an attempt belongs to: the caller's, or one named after the run, so that all attempts of a run share
// it. With an exporter set up (tracing.ts) each dispatch is a span of it; without one, only the header is made.
import { randomBytes } from 'node:crypto'
import { context, isSpanContextValid, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { childSpan, formatTraceparent, parseTraceparent, traceOfRun } from '#core/runs/trace-context.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import type { CallOutcome } from './http-call.ts'

export type DispatchSpan = { traceparent: string; end: (outcome: CallOutcome) => void }

export function startDispatchSpan(run: ClaimedRun, jobSlug: string): DispatchSpan {
  const parent = parseTraceparent(run.traceparent ?? undefined) ?? traceOfRun(run.runId)
  const span = trace.getTracer('runyard').startSpan(
    `dispatch ${jobSlug}`,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        'runyard.run_id': run.runId,
        'runyard.job': jobSlug,
        'runyard.project_id': run.projectId,
        'runyard.attempt': run.attempt,
        'runyard.queue_wait_ms': run.queueWaitMs,
      },
    },
    trace.setSpanContext(context.active(), {
      ...parent,
      traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      isRemote: true,
    }),
  )
  const own = span.spanContext()
  const exported = isSpanContextValid(own) && own.spanId !== parent.spanId
  const sent = exported
    ? { ...own, sampled: (own.traceFlags & TraceFlags.SAMPLED) !== 0 }
    : childSpan(parent, randomBytes(8))
  return { traceparent: formatTraceparent(sent), end: (outcome) => endSpan(span, outcome) }
}

function endSpan(span: Span, outcome: CallOutcome): void {
  if (outcome.kind === 'response') span.setAttribute('http.response.status_code', outcome.status)
  if (outcome.kind === 'failed' || outcome.status >= 400) {
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: outcome.kind === 'failed' ? outcome.message : `HTTP ${outcome.status}`,
    })
  }
  span.end()
}
