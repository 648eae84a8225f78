// Claims for executors, ours and others': at once what there is, or as soon as there is something.
import type { Actor } from '#core/event.ts'
import { type Claim, type ClaimedRun, claimLimitedRuns, claimRuns, type Lane } from '#storage/claim-runs.ts'
import type { Ctx } from './ctx.ts'

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

/** Remembers whose turn it is, for one process: projects and jobs share the head of each queue by turns. */
export type Claimer = {
  claim: (request: ClaimRequest) => Promise<{ runs: ClaimedRun[]; limitedLeft: boolean }>
  /** Waits up to `waitMs` for a first run. */
  claimOrWait: (request: ClaimRequest, waitMs: number, signal: AbortSignal) => Promise<ClaimedRun[]>
}

/** `waited` is told of each claimed run how long it was due. */
export function makeClaimer(
  ctx: Pick<Ctx, 'sql' | 'ring' | 'listen'>,
  waited: (queue: string, seconds: number) => void = () => {},
): Claimer {
  let turn = 0
  const after = new Map<string, Lane | undefined>()
  const limited = new Map<string, boolean>()

  async function claim(request: ClaimRequest): Promise<{ runs: ClaimedRun[]; limitedLeft: boolean }> {
    turn++
    const place = `${request.projectId} ${request.queues.join()}`
    const asked: Claim = { ...request, turn, after: after.get(place) }
    // Jobs with a limit take their turn after those without, but half of what is asked for is theirs if they want it:
    // an endless backlog of the one kind does not starve the other.
    const known = limited.get(place) ?? false
    const free = await claimRuns(ctx.sql, known ? { ...asked, limit: Math.ceil(request.limit / 2) } : asked)
    after.set(place, free.after)
    limited.set(place, free.limitedJobs.length > 0)
    let runs = free.runs
    if (free.limitedJobs.length > 0 && runs.length < request.limit) {
      const more = await claimLimitedRuns(ctx.sql, { ...asked, limit: request.limit - runs.length }, free.limitedJobs)
      runs = runs.concat(more.runs)
    }
    // Lanes go on beyond this claim's view, and nothing was in it: look further before waiting.
    if (runs.length === 0 && free.after) return claim(request)
    for (const run of runs) waited(run.queue, run.queueWaitMs / 1000)
    if (runs.length > 0) ctx.ring([...runs.map((run) => `run:${run.runId}`), 'tail'])
    return { runs, limitedLeft: free.limitedJobs.length > 0 }
  }

  return {
    claim,
    async claimOrWait(request, waitMs, signal) {
      const untilMs = performance.now() + waitMs
      const topics = request.queues.map((queue) => `queue:${queue}`)
      for (;;) {
        // 'slots' matters only to those who have seen a job that stands still for want of one.
        const listening = ctx.listen([...topics, 'queues'])
        let slots: ReturnType<typeof ctx.listen> | undefined
        try {
          const { runs, limitedLeft } = await claim(request)
          const leftMs = untilMs - performance.now()
          if (runs.length > 0 || leftMs <= 0 || signal.aborted) return runs
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
