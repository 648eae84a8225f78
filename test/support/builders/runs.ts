// Triggers and claims of runs without HTTP, and how a refusal reads.
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { type ClaimRequest, makeClaimer } from '#runs/attempts/claimer.ts'
import type { RunRequest } from '#runs/trigger/run-request.ts'
import { triggerRun, triggerRuns } from '#runs/trigger/trigger-runs.ts'
import { ORIGIN } from '../yard.ts'

export const trigger = async (ctx: Ctx, job: string, request: RunRequest = {}) =>
  (await triggerRun(ctx, job, request, ORIGIN)).run

/** As many runs of a job. */
export const times = (ctx: Ctx, job: string, count: number) =>
  triggerRuns(ctx, job, new Array<RunRequest>(count).fill({}), ORIGIN)

export const claim = async (ctx: Ctx, limit: number, more: Partial<ClaimRequest> = {}, claimer = makeClaimer(ctx)) =>
  (
    await claimer.claim({
      queues: ['default'],
      owner: 'w1',
      actor: { type: 'worker', id: 'w1' },
      leaseSecs: 15,
      limit,
      into: 'executing',
      ...more,
    })
  ).runs

export const fresh = async (ctx: Ctx, runId: string) => (await findRun(ctx.sql, 'default', runId))!

export const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof Refusal ? error.code : String(error)),
  )
