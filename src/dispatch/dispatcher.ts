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
import { beatLeases, readAtPeace } from '#runs/attempts/leases.sql.ts'
import { dispatchRun } from './dispatch-run.ts'
import type { Caller } from './http-call.ts'

const CLAIM_MAX = 100
const LEASE_SECS = 10
const BEAT_MS = 3_000
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
    const done = dispatchRun({ ctx, caller, tokens, owner, actor }, run, abort.signal)
      .catch((error: unknown) =>
        ctx.log.error({ err: error, runId: run.runId }, 'an attempt could not be settled; its lease will expire'),
      )
      .finally(() => {
        calls.delete(run.token)
        freed.resolve()
        freed = Promise.withResolvers()
      })
    calls.set(run.token, { run, abort, done })
  }

  /** A handler that has completed its run, or waits, may still be on its way to answer us: its answer decides nothing. */
  async function abortLost(lost: readonly ClaimedRun[]): Promise<void> {
    if (lost.length === 0) return
    const ids = lost.map((run) => run.runId)
    const atPeace = new Set(await readAtPeace(ctx.sql, ids))
    for (const run of lost) if (!atPeace.has(run.runId)) calls.get(run.token)?.abort.abort()
  }

  const claims: Duty = {
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
  }

  const heartbeats: Duty = {
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
  }

  async function drain(graceMs: number): Promise<void> {
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
  }

  return { inFlight: () => calls.size, duties: [claims, heartbeats], drain }
}
