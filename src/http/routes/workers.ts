import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/runs/workers.ts'
import { type Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import type { RunState } from '#core/run.ts'
import { listClaimedQueues, listWorkers } from '#insight/workers.sql.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { readOwnRuns } from '#run-state/read/read-runs.sql.ts'
import type { Claimer, ClaimRequest } from '#runs/attempts/claimer.ts'
import { type Ending, endAttempts } from '#runs/attempts/end-attempts.ts'
import { renewLeases } from '#runs/attempts/heartbeat.ts'
import type { LeaseRef } from '#runs/attempts/leases.sql.ts'
import { startRuns } from '#runs/attempts/start-runs.ts'
import { implement } from '../implement.ts'
import type { Checked } from '../input/items.ts'
import { itemProblem, itemProblemOf } from '../problems.ts'
import { claimedWire } from '../wire/claimed-wire.ts'
import { toWire } from '../wire/words.ts'
import { errorText } from './attempts.ts'

export type WorkerParts = { claimer: Claimer; tokens: RunTokens; stopping: AbortSignal }

/** Common proxies give up on a response after 60 s, and a poll that they cut off looks like a node that is gone. */
const WAIT_MS_MAX = 50_000
const LISTED_MAX = 500

export function workerRoutes(app: FastifyInstance, ctx: Ctx, { claimer, tokens, stopping }: WorkerParts): void {
  implement(app, contract.listWorkers, async (_, { projectId }) => {
    const [workers, queues] = await Promise.all([
      listWorkers(ctx.reads, projectId, LISTED_MAX),
      listClaimedQueues(ctx.reads, projectId, LISTED_MAX),
    ])
    return {
      data: workers.map(({ isNode, ...row }) => ({
        ...toWire(row),
        kind: isNode ? ('node' as const) : ('worker' as const),
      })),
      queues: queues.map(({ queue, askedAt }) => ({ queue, last_claim_at: askedAt.toISOString() })),
    }
  })
  implement(app, contract.claimRuns, async (asked, { projectId }, request) => {
    const { worker_id: owner, queues, limit, wait_secs, lease_secs: leaseSecs, buffer } = asked
    const actor: Actor = { type: 'worker', id: owner }
    const claim: ClaimRequest = {
      projectId,
      queues,
      owner,
      actor,
      leaseSecs,
      limit,
      into: buffer ? 'dequeued' : 'executing',
    }
    const runs = await whileConnected(request, async (hungUp) => {
      const signal = AbortSignal.any([hungUp, stopping])
      const claimed = await claimer.claimOrWait(claim, Math.min(wait_secs * 1000, WAIT_MS_MAX), signal)
      // It hung up while its runs were being claimed: they are returned immediately, and no attempt is used up.
      if (hungUp.aborted) await giveBack(ctx, claimed)
      return claimed
    })
    const wires = runs.map(async (run) => {
      const { runId, projectId, attempt, token: leaseToken } = run
      const { slug } = await jobsOf(ctx).ofRun(run.jobId)
      const runToken = tokens.sign({ runId, projectId, attempt, leaseToken, owner }, run.timeoutSecs)
      return claimedWire(run, { slug, leaseSecs, runToken })
    })
    return { runs: await Promise.all(wires) }
  })

  implement(app, contract.startRuns, async ({ leases }, { projectId }) => {
    const problems = await startRuns(ctx, { projectId, leases: leases.map(leaseOf), actor: WORKER })
    const results = leases.map(({ run_id }, index) =>
      problems[index] ? problemResult(run_id, problems[index]) : { run_id, status: 'executing' as const },
    )
    return { results }
  })

  implement(app, contract.heartbeatWorker, async ({ leases }, { projectId }) => {
    const beats = await renewLeases(ctx, projectId, leases.map(leaseOf))
    return {
      leases: leases.map(({ run_id }) => {
        const beat = beats.get(run_id)
        if (!beat) return { run_id, told: 'stop' as const, lease_expires_in_ms: 0 }
        const leftMs = Math.max(0, Math.floor(beat.expiresInMs))
        return { run_id, told: beat.told ?? ('continue' as const), lease_expires_in_ms: leftMs }
      }),
    }
  })

  implement(app, contract.settleRuns, async ({ settlements }, { projectId }, request) => {
    const good = settlements.filter((item) => !item.problem).map((item) => item.value!)
    const ids = good.map((it) => it.run_id)
    const own = new Set(await readOwnRuns(ctx.sql, projectId, ids))
    const theirs = good.filter((it) => own.has(it.run_id))
    const ended = await endAttempts(ctx, theirs.map(endingOf))
    // By item, not by run: two settlements of one run are answered separately.
    const outcomes = new Map(theirs.map((it, index) => [it, ended[index]!]))
    return { results: settlements.map((item) => settledWire(item, outcomes, request)) }
  })
}

/**
 * Runs `work` with a signal that aborts when the client hangs up: it must not be given runs that nobody will execute.
 */
async function whileConnected<T>(request: FastifyRequest, work: (hungUp: AbortSignal) => Promise<T>): Promise<T> {
  const gone = new AbortController()
  const hangUp = () => gone.abort()
  request.raw.socket.once('close', hangUp)
  try {
    return await work(gone.signal)
  } finally {
    request.raw.socket.off('close', hangUp)
  }
}

async function giveBack(ctx: Ctx, runs: readonly ClaimedRun[]): Promise<void> {
  await endAttempts(
    ctx,
    runs.map(({ runId, token }) => ({ kind: 'returned', runId, token, actor: WORKER })),
  )
}

const WORKER: Actor = { type: 'worker', id: null }

const leaseOf = ({ run_id, lease_token }: { run_id: string; lease_token: string }): LeaseRef => ({
  runId: run_id,
  token: lease_token,
})

type Settlement = {
  run_id: string
  lease_token: string
  outcome: 'completed' | 'failed' | 'paused' | 'returned'
  result?: unknown
  error?: unknown
  error_code?: string
  retryable: boolean
  retry_in_secs?: number
}

function endingOf(it: Settlement): Ending {
  const base = { runId: it.run_id, token: it.lease_token, actor: WORKER }
  if (it.outcome === 'completed') return { ...base, kind: 'completed', result: it.result }
  if (it.outcome !== 'failed') return { ...base, kind: it.outcome }
  return {
    ...base,
    kind: 'failed',
    error: it.error === undefined ? 'the worker gave no reason' : errorText(it.error),
    errorCode: it.error_code,
    retryable: it.retryable,
    forGood: !it.retryable,
    wantedDelayMs: it.retry_in_secs === undefined ? undefined : it.retry_in_secs * 1000,
  }
}

const problemResult = (runId: string | null, problem: Refusal) => ({
  run_id: runId,
  status: null,
  error: itemProblem(problem),
})

function settledWire(
  item: Checked<Settlement>,
  outcomes: ReadonlyMap<Settlement, { state: RunState } | Error>,
  request: FastifyRequest,
) {
  if (item.problem) return problemResult(null, item.problem)
  const { run_id } = item.value
  const ended = outcomes.get(item.value) ?? refuse('run_not_found', { runId: run_id })
  return ended instanceof Error
    ? { run_id, status: null, error: itemProblemOf(ended, request) }
    : { run_id, status: ended.state }
}
