// Claims runs for executors, ours and others': whatever is ready, or long polling until something is.

import type { Ctx } from '#bell/ctx.ts'
import { queueTopic, runTopic } from '#bell/topics.ts'
import { refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { type GroupCommit, groupCommit } from '#postgres/group-commit.ts'
import { type ClaimedRun, seatsFor } from '#run-state/claim/claim-runs.sql.ts'
import { makeLooker } from './look-for-runs.ts'
import { makeAskingTeller } from './tell-asking.ts'

/** Fallback for a lost ring: look anyway after this long. */
const FALLBACK_MS = 2_000

export type ClaimRequest = {
  projectId?: string | undefined
  queues: readonly string[]
  owner: string
  actor: Actor
  leaseSecs: number
  /** Maximum number of runs, at most 500. */
  limit: number
  into: 'executing' | 'dequeued'
}

export type ClaimAnswer = {
  runs: ClaimedRun[]
  /** Runs of a job with a concurrency limit are left: a freed slot is as good as a new run. */
  limitedLeft: boolean
  /** Lanes are left that were not examined, or were locked by others just now: ask again immediately. */
  lookAgain: boolean
}

/** Keeps the turn for one process: projects and jobs take turns at the head of each queue (round robin). */
export type Claimer = {
  /** Nothing is claimed for one who has hung up by the time it is their turn. */
  claim: (request: ClaimRequest, signal?: AbortSignal) => Promise<ClaimAnswer>
  /** Long poll: waits up to `waitMs` for a first run. */
  claimOrWait: (request: ClaimRequest, waitMs: number, signal: AbortSignal) => Promise<ClaimedRun[]>
}

/** At most this many rounds per claim before yielding to other callers. */
const LOOKS_MAX = 8

/** Runs of one statement at most. */
const RUNS_MAX = 500
const PARALLEL = 2
const WAITING_MAX = 20_000

type Waiting = { request: ClaimRequest; signal: AbortSignal | undefined }
type Group = { claim: GroupCommit<Waiting, ClaimAnswer>; users: number }

/** `claimed` is called for each claimed run. */
export function makeClaimer(
  ctx: Pick<Ctx, 'sql' | 'ring' | 'listen' | 'log'>,
  claimed: (run: ClaimedRun) => void = () => {},
): Claimer {
  const tellAsking = makeAskingTeller(ctx)
  const lookAt = makeLooker(ctx)
  const groups = new Map<string, Group>()

  /**
   * Group commit by place: those who ask for runs of the same queues while a claim of these is under way share the next
   * one. By themselves they would compete for the same heads, each with a statement and a commit of its own.
   */
  async function claim(request: ClaimRequest, signal?: AbortSignal): Promise<ClaimAnswer> {
    tellAsking({ projectId: request.projectId, queues: request.queues })
    const name = `${request.projectId} ${request.into} ${request.queues.join()}`
    const group = groups.get(name) ?? { claim: groupOf(), users: 0 }
    groups.set(name, group)
    group.users++
    try {
      return await group.claim({ request, signal })
    } finally {
      if (--group.users === 0) groups.delete(name)
    }
  }

  const groupOf = () =>
    groupCommit<Waiting, ClaimAnswer>(claimTogether, {
      itemsMax: RUNS_MAX,
      weightOf: ({ request }) => request.limit,
      parallel: PARALLEL,
      waitingMax: WAITING_MAX,
      full: () => refuse('overloaded', { what: 'The queue of claims', retryAfterMs: 1000 }),
    })

  /** All ask for the same: the same project and queues, and the same move. */
  async function claimTogether(all: readonly Waiting[]): Promise<ClaimAnswer[]> {
    const seats = all.flatMap(({ request, signal }) => (signal?.aborted ? [] : seatsFor(request, request.limit)))
    if (seats.length === 0) return all.map(() => ({ runs: [], limitedLeft: false, lookAgain: false }))
    const { projectId, queues, into } = all[0]!.request
    for (let looks = 1; ; looks++) {
      const { taken, unseen, limitedLeft } = await lookAt({ projectId, queues, into, seats })
      if (taken.size === 0 && unseen && looks < LOOKS_MAX) continue
      const runs = [...taken.values()].flat()
      for (const run of runs) claimed(run)
      if (runs.length > 0) ctx.ring([...runs.map((run) => runTopic(run.runId)), 'tail'])
      return all.map(({ request }) => {
        const own = taken.get(request) ?? []
        return { runs: own, limitedLeft, lookAgain: own.length === 0 && unseen }
      })
    }
  }

  return {
    claim,
    async claimOrWait(request, waitMs, signal) {
      const untilMs = performance.now() + waitMs
      const topics = request.queues.map(queueTopic)
      for (;;) {
        // 'slots' matters only to claimers that have seen a job waiting for a free slot.
        const listening = ctx.listen([...topics, 'queues'])
        let slots: ReturnType<typeof ctx.listen> | undefined
        try {
          // The caller has hung up: runs claimed for it now would be stuck until their leases expire.
          if (signal.aborted) return []
          const { runs, limitedLeft, lookAgain } = await claim(request, signal)
          const leftMs = untilMs - performance.now()
          if (runs.length > 0 || leftMs <= 0) return runs
          if (lookAgain) continue
          if (limitedLeft) slots = ctx.listen(['slots'])
          const ms = Math.min(leftMs, limitedLeft ? FALLBACK_MS / 4 : FALLBACK_MS)
          await Promise.race([listening.rung(ms, signal), ...(slots ? [slots.rung(ms, signal)] : [])])
        } finally {
          listening.close()
          slots?.close()
        }
      }
    },
  }
}
