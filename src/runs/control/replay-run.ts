// A replay is a new run that names the original, which is unchanged.

import type { Ctx } from '#bell/ctx.ts'
import { type Refusal, refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { priorityOf } from '#core/job.ts'
import { isOver, OVER_STATES } from '#core/run.ts'
import { findRunBody, type RunRow } from '#run-state/read/read-runs.sql.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { findCheckpoint } from '../attempts/attempt-writes.sql.ts'
import { dependencyKeyOf } from '../trigger/prepare-run.ts'
import type { Origin, RunRequest } from '../trigger/run-request.ts'
import { triggerRun } from '../trigger/trigger-runs.ts'
import type { Target } from './move-by-hand.ts'

export type Replay = Target & {
  fromCheckpoint?: number | undefined
  /** What the new run has in place of what the original had. */
  changes?: RunRequest | undefined
}

/** Replays the payload of an ended run, or the state of one of its checkpoints, under the job's current version. */
export async function replayRun(ctx: Ctx, { changes = {}, fromCheckpoint, ...target }: Replay): Promise<RunRow> {
  if (fromCheckpoint !== undefined && changes.payload !== undefined)
    throw refuseField('payload', 'may not be given together with from_checkpoint')
  const old = await requireRun(ctx, target.projectId, target.runId)
  const problem = replayProblem(old)
  if (problem) throw problem
  if (changes.payload !== undefined) return triggered(ctx, old, { target, request: withPayload(old, changes) })
  const payload = fromCheckpoint === undefined ? await payloadOf(ctx, old) : await stateAt(ctx, old, fromCheckpoint)
  const request = replayRequest(old, payload)
  if (fromCheckpoint !== undefined) request.debugMode = true
  return triggered(ctx, old, { target, request: { ...request, ...given(changes) } })
}

type Prepared = { target: Target; request: RunRequest }

const triggered = async (ctx: Ctx, old: RunRow, { target, request }: Prepared): Promise<RunRow> =>
  (await triggerRun(ctx, old.jobId!, request, replayOrigin(old, target))).run

/** Another payload may name another key that ties the run to runs of other jobs. */
function withPayload(old: RunRow, changes: RunRequest): RunRequest {
  const metadata = { ...old.metadata, ...dependencyKeyOf(changes.payload) }
  return { ...replayRequest(old, undefined), metadata, ...given(changes) }
}

const given = (changes: RunRequest): RunRequest =>
  Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))

/** Why this run cannot be replayed; undefined when it can. */
export function replayProblem(old: RunRow): Refusal | undefined {
  if (!isOver(old.state)) return refuse('wrong_state', { runId: old.publicId, state: old.state, needs: OVER_STATES })
  return old.jobId ? undefined : refuse('job_external', { job: old.publicId })
}

/** The trigger request that would create the same run again. */
export const replayRequest = (old: RunRow, payload: unknown): RunRequest => ({
  ...(old.overrides as RunRequest | null),
  payload: payload ?? undefined,
  priority: priorityOf(old.rank),
  tags: old.tags,
  metadata: old.metadata,
  concurrencyKey: old.concurrencyKey || undefined,
  preset: old.preset ?? undefined,
  agentId: old.agentId ?? undefined,
  debugMode: old.debugMode || undefined,
})

export const replayOrigin = (old: RunRow, { actor, causationId }: Cause): Origin => ({
  projectId: old.projectId,
  actor,
  ...(causationId && { causationId }),
  correlationId: old.correlationId,
  triggeredBy: 'replay',
  replayedFrom: old.id,
})

async function payloadOf(ctx: Ctx, run: RunRow): Promise<unknown> {
  const body = await findRunBody(ctx.sql, run.id)
  if (!body) throw refuse('payload_gone', { runId: run.publicId })
  return body.payload
}

async function stateAt(ctx: Ctx, run: RunRow, number: number): Promise<unknown> {
  const checkpoint = await findCheckpoint(ctx.sql, run.id, number)
  if (!checkpoint) throw refuse('checkpoint_not_found', { runId: run.publicId, number })
  return checkpoint.state
}
