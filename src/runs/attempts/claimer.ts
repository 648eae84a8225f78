// Claims for executors, ours and others': at once what there is, or as soon as there is something.

import type { Ctx } from '#bell/ctx.ts'
import { queueTopic, runTopic } from '#bell/topics.ts'
import type { Actor } from '#core/event.ts'
import { type Claim, type ClaimedRun, claimLimitedRuns, claimRuns } from '#run-state/claim/claim-runs.sql.ts'
import type { Lane } from '#run-state/claim/lanes.sql.ts'
import { makeAskingTeller } from './tell-asking.ts'

/** How long a ring may be lost before somebody looks anyway. */
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
  /** Runs of a job with a limit are left: a free slot is as good as a new run. */
  limitedLeft: boolean
  /** Lanes are left that were not looked at, or were held by others just now: ask again at once. */
  lookAgain: boolean
}

/** Remembers whose turn it is, for one process: projects and jobs share the head of each queue by turns. */
export type Claimer = {
  claim: (request: ClaimRequest) => Promise<ClaimAnswer>
  /** Waits up to `waitMs` for a first run. */
  claimOrWait: (request: ClaimRequest, waitMs: number, signal: AbortSignal) => Promise<ClaimedRun[]>
}

type Looked = { runs: ClaimedRun[]; contended: boolean; withheld: boolean }

/** Looks at so many views of lanes, or at heads that others hold, before it lets others have their turn. */
const LOOKS_MAX = 8

/** `waited` is told of each claimed run how long it was due. */
export function makeClaimer(
  ctx: Pick<Ctx, 'sql' | 'ring' | 'listen' | 'log'>,
  waited: (queue: string, seconds: number) => void = () => {},
): Claimer {
  let turn = 0
  const tellAsking = makeAskingTeller(ctx)
  const after = new Map<string, Lane | undefined>()
  /** Jobs with a limit that were seen waiting in a place. */
  const limited = new Map<string, readonly string[]>()

  async function claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const place = `${request.projectId} ${request.queues.join()}`
    tellAsking({ projectId: request.projectId, queues: request.queues })
    for (let looks = 1; ; looks++) {
      const { runs, contended } = await look(request, place)
      for (const run of runs) waited(run.queue, run.queueWaitMs / 1000)
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
    // Others are just now claiming the more urgent runs of a job with a limit, or have taken its last place. Nobody
    // stands idle for that.
    const { runs, contended } = await claimRuns(ctx.sql, { ...asked, order: 'loose' })
    return { runs, contended: contended || found.contended, withheld: false }
  }

  /** Jobs with and without a limit go first by turns: an endless backlog of the one kind does not starve the other. */
  async function lookByPriority(asked: Claim, place: string): Promise<Looked> {
    const known = limited.get(place) ?? []
    const first = known.length > 0 && turn % 2 === 0 ? await claimLimitedRuns(ctx.sql, asked, known) : undefined
    const left = asked.limit - (first?.runs.length ?? 0)
    if (left === 0) return { runs: first!.runs, contended: false, withheld: false }
    const free = await claimRuns(ctx.sql, { ...asked, limit: left })
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
        // 'slots' matters only to those who have seen a job that stands still for want of one.
        const listening = ctx.listen([...topics, 'queues'])
        let slots: ReturnType<typeof ctx.listen> | undefined
        try {
          // Who is gone asks for nothing more: what it were given would go back only after a lease.
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
