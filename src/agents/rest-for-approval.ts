// A running attempt makes a governed call, and its run rests while a person decides about it.

import type { Ctx } from '#bell/ctx.ts'
import { transact } from '#bell/transact.ts'
import { refuse } from '#core/error.ts'
import type { Attempt } from '#runs/attempts/attempt-calls.ts'
import { lockStandings } from '#runs/attempts/fence.sql.ts'
import { fenceProblem } from '#runs/attempts/fence.ts'
import { findAskedCall } from './asked-calls.sql.ts'
import { authorizeCall, type CallRequest, type Decision, decisionOf } from './authorize.ts'
import { restForInput } from './input-requests.ts'

export type RestingDecision = Decision & { resting: boolean }

/** Decides about a call; if a person has to approve it first, the run is suspended until somebody has decided. */
export async function authorizeAndRest(ctx: Ctx, it: Attempt, call: CallRequest): Promise<RestingDecision> {
  const decision = await authorizeCall(ctx, call)
  if (decision.decision !== 'asked') return { ...decision, resting: false }
  return transact<RestingDecision>(ctx, async (tx) => {
    // Whoever answers locks the run first: the question is answered before this, or finds the run at rest.
    const [standing] = await lockStandings(tx, [it.runId])
    const problem = fenceProblem({ ...it, leaseToken: it.token }, standing)
    if (problem) throw problem
    const row = await findAskedCall(tx, it.projectId, decision.authorizationId)
    if (!row) throw refuse('authorization_not_found', { authorizationId: decision.authorizationId })
    const resting = row.inputState === 'pending'
    if (resting) await restForInput(tx, it)
    return { ...decisionOf(row), resting }
  })
}
