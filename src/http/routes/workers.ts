import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RunTokens } from '#access/run-tokens.ts'
import type { Ctx } from '#bell/ctx.ts'
import { runTopic } from '#bell/topics.ts'
import * as contract from '#contract/runs/workers.ts'
import { type Refusal, refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { priorityOf } from '#core/job.ts'
import type { RunState } from '#core/run.ts'
import { jobsOf } from '#jobs/job-cache.ts'
import type { ClaimedRun } from '#run-state/claim/claim-runs.sql.ts'
import { moveProblem } from '#run-state/move/move-outcome.ts'
import { moveRun } from '#run-state/move/move-run.ts'
import { readOwnRuns } from '#run-state/read/read-runs.sql.ts'
import type { Claimer } from '#runs/attempts/claimer.ts'
import { type Ending, endAttempts } from '#runs/attempts/end-attempts.ts'
import { beatLeases } from '#runs/attempts/leases.sql.ts'
import type { KeyCaller } from '../caller.ts'
import { implement } from '../implement.ts'
import type { Checked } from '../input/items.ts'
import { itemProblem, itemProblemOf } from '../problems.ts'
import { errorText } from './attempts.ts'

export type WorkerParts = { claimer: Claimer; tokens: RunTokens; stopping: AbortSignal }

export function workerRoutes(app: FastifyInstance, ctx: Ctx, { claimer, tokens, stopping }: WorkerParts): void {
  implement(
    app,
    contract.claimRuns,
    async ({ worker_id, queues, limit, wait_secs, lease_secs, buffer }, caller, request) => {
      // A client that hangs up must not be given runs that nobody will execute.
      const gone = new AbortController()
      const hangUp = () => gone.abort()
      request.raw.socket.once('close', hangUp)
      try {
        const signal = AbortSignal.any([gone.signal, stopping])
        const runs = await claimer.claimOrWait(
          {
            projectId: caller.projectId,
            queues,
            owner: worker_id,
            actor: workerActor(worker_id),
            leaseSecs: lease_secs,
            limit,
            into: buffer ? 'dequeued' : 'executing',
          },
          wait_secs * 1000,
          signal,
        )
        // It hung up while its runs were being claimed: they go back at once, and no attempt is used up.
        if (gone.signal.aborted) await giveBack(runs)
        return {
          runs: await Promise.all(runs.map((run) => claimedWire(run, { leaseSecs: lease_secs, owner: worker_id }))),
        }
      } finally {
        request.raw.socket.off('close', hangUp)
      }
    },
  )

  implement(app, contract.startRuns, async ({ leases }, caller) => {
    const own = await ownRuns(caller, leases)
    const results = await Promise.all(
      leases.map(async ({ run_id, lease_token }) => {
        if (!own.has(run_id)) return problemResult(run_id, refuse('run_not_found', { runId: run_id }))
        const changed = await moveRun(ctx, {
          runId: run_id,
          move: 'start',
          token: lease_token,
          actor: workerActor(null),
        })
        const problem = moveProblem(run_id, 'start', changed)
        return problem ? problemResult(run_id, problem) : { run_id, status: 'executing' as const }
      }),
    )
    ctx.ring([...leases.map(({ run_id }) => runTopic(run_id)), 'tail'])
    return { results }
  })

  implement(app, contract.heartbeatWorker, async ({ leases }, caller) => {
    const own = await ownRuns(caller, leases)
    const beats = await beatLeases(
      ctx.sql,
      leases.filter((it) => own.has(it.run_id)).map((it) => ({ runId: it.run_id, token: it.lease_token })),
    )
    const byRun = new Map(beats.map((beat) => [beat.runId, beat]))
    return {
      leases: leases.map(({ run_id }) => {
        const beat = byRun.get(run_id)
        if (!beat) return { run_id, told: 'stop' as const, lease_expires_in_ms: 0 }
        return {
          run_id,
          told: beat.told ?? ('continue' as const),
          lease_expires_in_ms: Math.max(0, Math.floor(beat.expiresInMs)),
        }
      }),
    }
  })

  implement(app, contract.settleRuns, async ({ settlements }, caller, request) => {
    const good = settlements.filter((item) => !item.problem).map((item) => item.value!)
    const own = await ownRuns(caller, good)
    const endings = good.filter((it) => own.has(it.run_id)).map((it) => endingOf(it))
    const ended = await endAttempts(ctx, endings)
    const byRun = new Map(endings.map((ending, index) => [`${ending.runId} ${ending.token}`, ended[index]!]))
    return { results: settlements.map((item) => settledWire(item, byRun, request)) }
  })

  async function giveBack(runs: readonly ClaimedRun[]): Promise<void> {
    const actor = workerActor(null)
    await endAttempts(
      ctx,
      runs.map(({ runId, token }) => ({ kind: 'returned', runId, token, actor })),
    )
  }

  async function ownRuns({ projectId }: KeyCaller, leases: readonly { run_id: string }[]): Promise<Set<string>> {
    return new Set(
      await readOwnRuns(
        ctx.sql,
        projectId,
        leases.map((it) => it.run_id),
      ),
    )
  }

  async function claimedWire(run: ClaimedRun, { leaseSecs, owner }: { leaseSecs: number; owner: string }) {
    const { slug } = await jobsOf(ctx).ofRun(run.jobId)
    const timeoutMs = run.timeoutSecs * 1000
    const { runId, projectId, attempt, token } = run
    return {
      run: {
        id: runId,
        job_id: run.jobId,
        job_slug: slug,
        job_version: run.jobVersion,
        attempt,
        queue: run.queue,
        priority: priorityOf(run.rank),
        correlation_id: run.correlationId,
        tags: run.tags,
        metadata: run.metadata,
        agent_id: run.agentId,
        timeout_secs: run.timeoutSecs,
        created_at: run.createdAt.toISOString(),
      },
      payload: run.payload,
      lease_token: token,
      lease_expires_in_ms: Math.min(leaseSecs * 1000, timeoutMs),
      timeout_in_ms: timeoutMs,
      run_token: tokens.sign({ runId, projectId, attempt, leaseToken: token, owner }, run.timeoutSecs),
      checkpoint: run.checkpoint && {
        ...run.checkpoint,
        created_at: new Date(run.checkpoint.created_at).toISOString(),
      },
      previous_error: attempt > 1 ? run.previousError : null,
      preset: run.preset,
      environment: run.environment ?? {},
    }
  }
}

const workerActor = (id: string | null): Actor => ({ type: 'worker', id })

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
  const base = { runId: it.run_id, token: it.lease_token, actor: workerActor(null) }
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
  byRun: ReadonlyMap<string, { state: RunState } | Error>,
  request: FastifyRequest,
) {
  if (item.problem) return problemResult(null, item.problem)
  const { run_id, lease_token } = item.value
  const ended = byRun.get(`${run_id} ${lease_token}`) ?? refuse('run_not_found', { runId: run_id })
  return ended instanceof Error
    ? { run_id, status: null, error: itemProblemOf(ended, request) }
    : { run_id, status: ended.state }
}
