// What becomes of a call when a person has approved or refused it. It was not counted while they thought about it, so
// it is held against the limits now.
import type { Actor } from '#core/event.ts'
import { isObserved, judge, NO_POLICY, type PolicyReason, riskOf } from '#core/policy.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { lockAgents } from './agents.sql.ts'
import { decideAsked, findAuthorization, readToday } from './authorizations.sql.ts'
import type { InputRow } from './input-requests.sql.ts'
import { policyHash } from './policy-hash.ts'
import { standingOf } from './standing.ts'

type Answered = { approved: boolean; actor: Actor; causationId: string | undefined }

/** The agent's row is locked before the run's, as by everybody who decides: the caller has done so. */
export async function decideApproval(
  tx: Sql,
  row: InputRow,
  { approved, actor, causationId }: Answered,
): Promise<void> {
  const call = await findAuthorization(tx, row.projectId, row.authorizationId!)
  if (call?.state !== 'asked') return
  const name = { projectId: call.projectId, agentId: call.agentId }
  const [agent] = await lockAgents(tx, [name])
  const today = await readToday(tx, [name])
  const judged = judge(
    { ...(agent!.policy ?? NO_POLICY), approvalTools: [] },
    standingOf(agent, today, call.tool),
    call,
  )
  const observing = isObserved(agent!.policyMode, judged)
  const reason: PolicyReason = !approved ? 'approval_denied' : observing ? 'ok' : judged
  const state = !approved ? 'denied' : reason === 'ok' ? 'reserved' : 'blocked'
  const { policyVersion } = agent!
  const riskLevel = riskOf(reason)
  const observed = approved && observing ? judged : null
  await decideAsked(tx, { id: call.id, state, reason, riskLevel, observed, policyVersion, hour: today.hour })
  await appendEvents(tx, [
    {
      projectId: call.projectId,
      type: observed ? 'policy.observed' : state === 'reserved' ? 'policy.allowed' : 'policy.blocked',
      actor,
      causationId,
      resourceType: 'agent',
      resourceId: call.agentId,
      agentId: call.agentId,
      tool: call.tool,
      ...placeOfAsked(row),
      data: {
        authorization_id: call.id,
        reason: observed ?? reason,
        risk_level: riskLevel,
        policy_version: policyVersion,
        cost_microusd: call.costMicrousd,
        ...(state !== 'reserved' && { policy_hash: policyHash(agent!.policy) }),
      },
    },
  ])
}

/** What comes of a request belongs to its run; without one it is a chain that begins with the event that asked. */
export const placeOfAsked = ({ runUuid, eventId }: InputRow) =>
  runUuid ? { runId: runUuid } : eventId ? { correlationId: eventId } : {}
