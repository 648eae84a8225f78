// Claims runs for executors, ours and others': whatever is ready, or long polling until something is.

import type { Ctx } from '#bell/ctx.ts'
import { queueTopic, runTopic } from '#bell/topics.ts'
import type { Actor } from '#core/event.ts'
import { type Claim, type ClaimedRun, claimLimitedRuns, claimRuns } from '#run-state/claim/claim-runs.sql.ts'
import type { Lane } from '#run-state/claim/lanes.sql.ts'
import { makeAskingTeller } from './tell-asking.ts'

/** Fallback for a lost ring: look anyway after this long. */
const FALLBACK_MS = 2_000

export type ClaimRequest = {
  projectId?: string | undefined
  queues: readonly string[]
  owner: string
  actor: Actor
  leaseSecs: number
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
  claim: (request: ClaimRequest) => Promise<ClaimAnswer>
  /** Long poll: waits up to `waitMs` for a first run. */
  claimOrWait: (request: ClaimRequest, waitMs: number, signal: AbortSignal) => Promise<ClaimedRun[]>
}

type Looked = { runs: ClaimedRun[]; contended: boolean; withheld: boolean }

/** At most this many rounds per claim before yielding to other callers. */
const LOOKS_MAX = 8

/** `claimed` is called for each claimed run. */
export function makeClaimer(
  ctx: Pick<Ctx, 'sql' | 'ring' | 'listen' | 'log'>,
  claimed: (run: ClaimedRun) => void = () => {},
): Claimer {
  let turn = 0
  const tellAsking = makeAskingTeller(ctx)
  const after = new Map<string, Lane | undefined>()
  /** Jobs with a concurrency limit whose runs were seen waiting. */
  const limited = new Map<string, readonly string[]>()
  /** Places in which the latest claim found one lane at most, without a limit. */
  const simple = new Map<string, boolean>()

  async function claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const place = `${request.projectId} ${request.queues.join()}`
    tellAsking({ projectId: request.projectId, queues: request.queues })
    for (let looks = 1; ; looks++) {
      const { runs, contended } = await look(request, place)
      for (const run of runs) claimed(run)
      if (runs.length > 0) ctx.ring([...runs.map((run) => runTopic(run.runId)), 'tail'])
      const unseen = contended || after.get(place) !== undefined
      if (runs.length === 0 && unseen && looks < LOOKS_MAX) continue
      return { runs, limitedLeft: (limited.get(place) ?? []).length > 0, lookAgain: runs.length === 0 && unseen }
    }
  }

  async function look(request: ClaimRequest, place: string): Promise<Looked> {
    turn++
    const asked: Claim = { ...request, turn, after: after.get(place), order: 'strict' }
    const found = await lookByPriority(asked, place)
    if (found.runs.length > 0 || !found.withheld) return found
    // Others are just claiming the more urgent runs of a job with a limit, or have taken its last slot. Do not
    // idle because of that.
    const { runs, contended } = await claimRuns(ctx.sql, { ...asked, order: 'loose' })
    return { runs, contended: contended || found.contended, withheld: false }
  }

  /**
   * Jobs with and without a limit alternate in going first: an endless backlog of one kind does not starve the other.
   */
  async function lookByPriority(asked: Claim, place: string): Promise<Looked> {
    const known = limited.get(place) ?? []
    const first = known.length > 0 && turn % 2 === 0 ? await claimLimitedRuns(ctx.sql, asked, known) : undefined
    const left = asked.limit - (first?.runs.length ?? 0)
    if (left === 0) return { runs: first!.runs, contended: false, withheld: false }
    const free = await claimRuns(ctx.sql, { ...asked, limit: left, isSimple: simple.get(place) ?? true })
    simple.set(place, free.isSimple)
    after.set(place, free.after)
    limited.set(place, free.limitedJobs)
    const runs = (first?.runs ?? []).concat(free.runs)
    if (first || free.limitedJobs.length === 0 || runs.length === asked.limit) return { ...free, runs }
    const second = await claimLimitedRuns(ctx.sql, { ...asked, limit: asked.limit - runs.length }, free.limitedJobs)
    return {
      runs: runs.concat(second.runs),
      contended: free.contended || second.contended,
      withheld: free.withheld,
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
          const { runs, limitedLeft, lookAgain } = await claim(request)
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
