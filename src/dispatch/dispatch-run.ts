// One dispatch: the call of a job's endpoint for an attempt, and what its outcome means for the run.
import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { newId } from '#postgres/id.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { type Ending, endAttempts } from '#runs/attempts/end-attempts.ts'
import { handOver } from '#runs/attempts/hand-over.ts'
import { callEnding } from './call-ending.ts'
import { dispatchRequest } from './dispatch-request.ts'
import { startDispatchSpan } from './dispatch-span.ts'
import type { Caller, CallOutcome } from './http-call.ts'
import { recordDispatch } from './record-dispatch.ts'

const RESULT_BYTES_MAX = 1024 * 1024
/** How often an end is tried again while this node is overloaded. */
const SETTLE_TRIES_MAX = 30
const SETTLE_AGAIN_MS = 1_000

export type DispatchParts = {
  ctx: Ctx
  caller: Caller
  tokens: RunTokens
  /** Name of this node. */
  owner: string
  actor: Actor
}

/** Calls the endpoint for an attempt, and does what the reply decides. `signal` aborts it: then nothing is decided. */
export async function dispatchRun(parts: DispatchParts, run: ClaimedRun, signal: AbortSignal): Promise<void> {
  const { ctx, caller, tokens, owner, actor } = parts
  const claimedAtMs = performance.now()
  const [{ definition }, job] = await Promise.all([
    jobsOf(ctx).version(run.jobId, run.jobVersion),
    jobsOf(ctx).ofRun(run.jobId),
  ])
  const { signingSecret } = job
  const { runId, projectId, attempt, token, timeoutSecs } = run
  const handler = `handler of ${runId}`
  const runToken = tokens.sign({ runId, projectId, attempt, leaseToken: token, owner: handler }, timeoutSecs)
  const span = startDispatchSpan(run, job.slug)
  const { traceparent } = span
  const { headers, body } = dispatchRequest({
    run,
    dispatchId: newId(),
    definition,
    signingSecret,
    runToken,
    traceparent,
    nowMs: ctx.nowMs(),
  })
  const dequeueMs = performance.now() - claimedAtMs
  const outcome = await caller.call({
    url: definition.endpointUrl!,
    headers,
    body,
    timeoutMs: timeoutSecs * 1000,
    signal,
    resultBytesMax: RESULT_BYTES_MAX,
  })
  span.end(outcome)
  const trace = traceOf(outcome, dequeueMs)
  if (run.debugMode)
    await recordDispatch(ctx, { run, owner, url: definition.endpointUrl!, headers, body, outcome, trace })
  const ending = callEnding(outcome, { timeoutSecs, nowMs: ctx.nowMs() })
  if (ending.kind === 'aborted') return
  if (ending.kind === 'handed_over') return handOver(ctx, { projectId, runId, token, owner: handler, actor, trace })
  await settle(ctx, { ...ending, runId, token, actor, trace })
}

async function settle(ctx: Ctx, ending: Ending, tries = 1): Promise<void> {
  const [ended] = await endAttempts(ctx, [ending])
  if (!(ended instanceof Error)) return
  if (!(ended instanceof Refusal)) throw ended
  // The lease is kept meanwhile. Let go, the endpoint would do again what it has done.
  if (ended.code === 'overloaded' && tries < SETTLE_TRIES_MAX) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_AGAIN_MS))
    return settle(ctx, ending, tries + 1)
  }
  // A result that its schema refuses is a failed attempt; a stale lease means that somebody else decided.
  if (ended.code === 'invalid')
    await settle(ctx, {
      ...ending,
      kind: 'failed',
      error: ended.message,
      errorCode: 'result_invalid',
      retryable: true,
    } as Ending)
  else ctx.log.info({ runId: ending.runId, code: ended.code }, 'the outcome of an attempt came too late')
}

/** Milliseconds, as Strait's execution_trace names them; the wait in the queue is known to the run already. */
function traceOf({ timings }: CallOutcome, dequeueMs: number): Record<string, number> {
  const { connectMs, ttfbMs, transferMs } = timings
  return {
    dequeue_ms: Math.round(dequeueMs),
    connect_ms: Math.round(connectMs),
    ttfb_ms: Math.round(ttfbMs),
    transfer_ms: Math.round(transferMs),
    dispatch_ms: Math.round(connectMs + ttfbMs + transferMs),
  }
}
