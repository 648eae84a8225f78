// Dispatch over HTTP: claims what is due, calls the endpoints, settles what they answer. Each call lives under a
// lease that this node keeps alive; when the lease is taken away (a cancel, a pause's grace) the call is aborted.

import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import { Refusal } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { HTTP_QUEUE } from '#core/queue.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import { appendEvent } from '#log/append-event.ts'
import { newId } from '#postgres/id.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import type { Claimer, ClaimRequest } from '#runs/attempts/claimer.ts'
import { type Ending, endAttempts } from '#runs/attempts/end-attempts.ts'
import { beatLeases, handOverLease, readAtPeace } from '#runs/attempts/leases.sql.ts'
import { callEnding } from './call-ending.ts'
import { dispatchRequest } from './dispatch-request.ts'
import { startDispatchSpan } from './dispatch-span.ts'
import type { Caller, CallOutcome } from './http-call.ts'
import { recordDispatch } from './record-dispatch.ts'

const CLAIM_MAX = 100
const LEASE_SECS = 10
const BEAT_MS = 3_000
const RESULT_BYTES_MAX = 1024 * 1024
const BEAT_BATCH_MAX = 1_000

type Call = { run: ClaimedRun; abort: AbortController; done: Promise<void> }

export type Dispatcher = {
  duties: Duty[]
  inFlight: () => number
  /** Waits for the calls under way; after `graceMs` the rest are aborted and their runs given back. */
  drain: (graceMs: number) => Promise<void>
}

type Options = {
  claimer: Claimer
  caller: Caller
  tokens: RunTokens
  /** Name of this node: the owner of its leases. */
  owner: string
  /** Calls under way at once. */
  callsMax: number
}

export function makeDispatcher(ctx: Ctx, { claimer, caller, tokens, owner, callsMax }: Options): Dispatcher {
  // By lease: the next attempt of a run may begin here before the last call of it has ended.
  const calls = new Map<string, Call>()
  const actor: Actor = { type: 'worker', id: owner }
  const request: ClaimRequest = {
    queues: [HTTP_QUEUE],
    owner,
    actor,
    leaseSecs: LEASE_SECS,
    limit: 0,
    into: 'executing',
  }
  let freed = Promise.withResolvers<void>()
  let limitedLeft = false

  function begin(run: ClaimedRun): void {
    const abort = new AbortController()
    const done = dispatch(run, abort.signal)
      .catch((error: unknown) =>
        ctx.log.error({ err: error, runId: run.runId }, 'an attempt could not be settled; its lease will run out'),
      )
      .finally(() => {
        calls.delete(run.token)
        freed.resolve()
        freed = Promise.withResolvers()
      })
    calls.set(run.token, { run, abort, done })
  }

  async function dispatch(run: ClaimedRun, signal: AbortSignal): Promise<void> {
    const claimedAtMs = performance.now()
    const [{ definition }, job] = await Promise.all([
      jobsOf(ctx).version(run.jobId, run.jobVersion),
      jobsOf(ctx).ofRun(run.jobId),
    ])
    const { signingSecret } = job
    const { runId, projectId, attempt, token, timeoutSecs } = run
    const runToken = tokens.sign(
      { runId, projectId, attempt, leaseToken: token, owner: `handler of ${runId}` },
      timeoutSecs,
    )
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
    if (ending.kind === 'handed_over') return handOver(run, trace)
    await settle({ ...ending, runId, token, actor, trace })
  }

  async function handOver(run: ClaimedRun, trace: object): Promise<void> {
    const held = await handOverLease(ctx.sql, run, `handler of ${run.runId}`)
    if (!held) return
    await appendEvent(ctx, {
      projectId: run.projectId,
      runId: run.runId,
      token: run.token,
      type: 'run.handed_over',
      actor,
      data: { trace },
    })
    ctx.ring([`run:${run.runId}`, 'tail'])
  }

  /** A handler that has completed its run, or waits, may still be on its way to answer us: its answer decides nothing. */
  async function abortLost(lost: readonly ClaimedRun[]): Promise<void> {
    if (lost.length === 0) return
    const ids = lost.map((run) => run.runId)
    const atPeace = new Set(await readAtPeace(ctx.sql, ids))
    for (const run of lost) if (!atPeace.has(run.runId)) calls.get(run.token)?.abort.abort()
  }

  async function settle(ending: Ending): Promise<void> {
    const [ended] = await endAttempts(ctx, [ending])
    if (!(ended instanceof Error)) return
    if (!(ended instanceof Refusal)) throw ended
    // A result that its schema refuses is a failed attempt; a stale lease means that somebody else decided.
    if (ended.code === 'invalid')
      await settle({
        ...ending,
        kind: 'failed',
        error: ended.message,
        errorCode: 'result_invalid',
        retryable: true,
      } as Ending)
    else ctx.log.info({ runId: ending.runId, code: ended.code }, 'the end of an attempt came too late')
  }

  return {
    inFlight: () => calls.size,
    duties: [
      {
        name: 'dispatch',
        everyMs: 2_000,
        topics: [`queue:${HTTP_QUEUE}`, 'queues'],
        async tick(signal) {
          const free = callsMax - calls.size
          if (free <= 0) {
            const aborted = new Promise<void>((resolve) =>
              signal.addEventListener('abort', () => resolve(), { once: true }),
            )
            await Promise.race([freed.promise, aborted])
            return 'again'
          }
          const claimed = await claimer.claim({ ...request, limit: Math.min(free, CLAIM_MAX) })
          for (const run of claimed.runs) begin(run)
          limitedLeft = claimed.limitedLeft
          return claimed.runs.length > 0 || claimed.lookAgain ? 'again' : { inMs: limitedLeft ? 250 : undefined }
        },
      },
      {
        name: 'leases',
        everyMs: BEAT_MS,
        topics: ['leases'],
        async tick() {
          const held = [...calls.values()].map((call) => call.run)
          for (let at = 0; at < held.length; at += BEAT_BATCH_MAX) {
            const batch = held.slice(at, at + BEAT_BATCH_MAX)
            const kept = new Set((await beatLeases(ctx.sql, batch)).map((beat) => beat.token))
            await abortLost(batch.filter((run) => !kept.has(run.token)))
          }
          return { inMs: undefined }
        },
      },
    ],
    async drain(graceMs) {
      const all = [...calls.values()]
      await Promise.race([
        Promise.all(all.map((call) => call.done)),
        new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
      ])
      const left = [...calls.values()]
      for (const call of left) call.abort.abort()
      await Promise.all(left.map((call) => call.done))
      await endAttempts(
        ctx,
        left.map(({ run }) => ({ kind: 'returned', runId: run.runId, token: run.token, actor })),
      )
    },
  }
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
