// Dispatch over HTTP: claims what is due, calls the endpoints, settles what they answer. Each call lives under a
// lease that this node keeps alive; when the lease is taken away (a cancel, a pause's grace) the call is aborted.

import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Duty } from '#bell/loop.ts'
import type { Actor } from '#core/event.ts'
import { HTTP_QUEUE } from '#core/queue.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import type { Claimer, ClaimRequest } from '#runs/attempts/claimer.ts'
import { endAttempts } from '#runs/attempts/end-attempts.ts'
import { beatLeases, findSettledRuns } from '#runs/attempts/leases.sql.ts'
import { dispatchRun } from './dispatch-run.ts'
import type { Caller } from './http-call.ts'

const CLAIM_MAX = 100
const LEASE_SECS = 10
const BEAT_MS = 3_000
const BEAT_BATCH_MAX = 1_000
/** When to look again for runs that a concurrency limit holds back. */
const LIMITED_MS = 250

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

export function makeDispatcher(ctx: Ctx, options: Options): Dispatcher {
  const calls = new OpenCalls(ctx, options)
  return {
    duties: [claimDuty(calls, options), leaseDuty(calls)],
    inFlight: () => calls.size,
    drain: (graceMs) => calls.drain(graceMs),
  }
}

/** Claims as many runs as there is room for calls. */
function claimDuty(calls: OpenCalls, { claimer, owner, callsMax }: Options): Duty {
  const request: ClaimRequest = {
    queues: [HTTP_QUEUE],
    owner,
    actor: calls.actor,
    leaseSecs: LEASE_SECS,
    limit: 0,
    into: 'executing',
  }
  return {
    name: 'dispatch',
    everyMs: 2_000,
    topics: [`queue:${HTTP_QUEUE}`, 'queues'],
    async tick(signal) {
      const free = callsMax - calls.size
      if (free <= 0) {
        await calls.oneEnds(signal)
        return 'again'
      }
      const { runs, lookAgain, limitedLeft } = await claimer.claim({ ...request, limit: Math.min(free, CLAIM_MAX) })
      for (const run of runs) calls.begin(run)
      if (runs.length > 0 || lookAgain) return 'again'
      return { inMs: limitedLeft ? LIMITED_MS : undefined }
    },
  }
}

/** Keeps the leases of all calls alive. */
const leaseDuty = (calls: OpenCalls): Duty => ({
  name: 'leases',
  everyMs: BEAT_MS,
  topics: ['leases'],
  async tick() {
    await calls.beat()
    return { inMs: undefined }
  },
})

type Call = { run: ClaimedRun; abort: AbortController; done: Promise<void> }

/** The calls that this node has under way. */
class OpenCalls {
  readonly actor: Actor
  readonly #ctx: Ctx
  readonly #options: Options
  // By lease: the next attempt of a run may begin here before the last call of it has ended.
  readonly #byLease = new Map<string, Call>()
  #oneEnded = Promise.withResolvers<void>()

  constructor(ctx: Ctx, options: Options) {
    this.actor = { type: 'worker', id: options.owner }
    this.#ctx = ctx
    this.#options = options
  }

  get size(): number {
    return this.#byLease.size
  }

  begin(run: ClaimedRun): void {
    const abort = new AbortController()
    const { caller, tokens, owner } = this.#options
    const done = dispatchRun({ ctx: this.#ctx, caller, tokens, owner, actor: this.actor }, run, abort.signal)
      .catch((error: unknown) =>
        this.#ctx.log.error({ err: error, runId: run.runId }, 'an attempt could not be settled; its lease will expire'),
      )
      .finally(() => {
        this.#byLease.delete(run.token)
        this.#oneEnded.resolve()
        this.#oneEnded = Promise.withResolvers()
      })
    this.#byLease.set(run.token, { run, abort, done })
  }

  /** Resolves once a call has ended, or `signal` is aborted. */
  async oneEnds(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.#oneEnded.promise, aborted])
  }

  /** Renews all leases, and aborts the calls whose lease is lost. */
  async beat(): Promise<void> {
    const held = [...this.#byLease.values()].map((call) => call.run)
    for (let at = 0; at < held.length; at += BEAT_BATCH_MAX) {
      const batch = held.slice(at, at + BEAT_BATCH_MAX)
      const kept = new Set((await beatLeases(this.#ctx.sql, batch)).map((beat) => beat.token))
      await this.#abortLost(batch.filter((run) => !kept.has(run.token)))
    }
  }

  /** A handler that has completed its run, or waits, may still be on its way to answer us: its answer decides nothing. */
  async #abortLost(lost: readonly ClaimedRun[]): Promise<void> {
    if (lost.length === 0) return
    const ids = lost.map((run) => run.runId)
    const settled = new Set(await findSettledRuns(this.#ctx.sql, ids))
    for (const run of lost) if (!settled.has(run.runId)) this.#byLease.get(run.token)?.abort.abort()
  }

  async drain(graceMs: number): Promise<void> {
    const all = [...this.#byLease.values()]
    await Promise.race([
      Promise.all(all.map((call) => call.done)),
      new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
    ])
    const left = [...this.#byLease.values()]
    for (const call of left) call.abort.abort()
    await Promise.all(left.map((call) => call.done))
    const { actor } = this
    await endAttempts(
      this.#ctx,
      left.map(({ run }) => ({ kind: 'returned', runId: run.runId, token: run.token, actor })),
    )
  }
}
