// What happens to a call once a person has approved or refused it. It was not counted while it was pending, so
// it is checked against the limits now.

import type { Tx } from '#bell/transact.ts'
import type { Actor } from '#core/event.ts'
import { canonicalJson } from '#core/json/canonical.ts'
import type { Json } from '#core/json/json.ts'
import { isObserved, judge, type PolicyReason, riskOf, wholePolicy } from '#core/policy.ts'
import { appendIn } from '#log/append-event.ts'
import type { Db } from '#postgres/sql.ts'
import { chargeSpent, type Moment, readMoment } from '#usage/ledger.sql.ts'
import { type AgentRow, lockAgents } from './agents.sql.ts'
import { decideAsked, findAuthorization } from './authorizations.sql.ts'
import { costWords } from './event-words.ts'
import type { InputRow } from './input-requests.sql.ts'
import { hashOfArgs, policyHash } from './policy-hash.ts'
import { chargesOf, lockStandings, type Standings } from './standing.ts'

type Approving = { agent: AgentRow; standings: Standings; moment: Moment }

/**
 * Locks the agent's row and the budgets of its call before the run's, in the same order as every decision.
 * Undefined for a request that is not the approval of a call.
 */
export async function lockForApproval(tx: Db, row: InputRow): Promise<Approving | undefined> {
  const call = row.authorizationId ? await findAuthorization(tx, row.projectId, row.authorizationId) : undefined
  if (!call) return undefined
  const [[agent], moment] = await Promise.all([lockAgents(tx, [call]), readMoment(tx)])
  return { agent: agent!, moment, standings: await lockStandings(tx, { calls: [call], agents: [agent!], moment }) }
}

type Answered = {
  approved: boolean
  /** The arguments as their approver left them, where they could be changed. */
  params: Json | undefined
  actor: Actor
  causationId: string | undefined
}

export async function decideApproval(
  tx: Tx,
  row: InputRow,
  { agent, standings, moment, approved, params, actor, causationId }: Approving & Answered,
): Promise<void> {
  const call = await findAuthorization(tx, row.projectId, row.authorizationId!)
  if (call?.state !== 'asked') return
  const judged = judge({ ...wholePolicy(agent.policy), approvalTools: [] }, standings.of(agent, call), call)
  const observing = isObserved(agent.policyMode, judged)
  const reason: PolicyReason = !approved ? 'approval_denied' : observing ? 'ok' : judged
  const state = !approved ? 'denied' : reason === 'ok' ? 'reserved' : 'blocked'
  const { policyVersion } = agent
  const riskLevel = riskOf(reason)
  const observed = approved && observing ? judged : null
  await decideAsked(tx, { id: call.id, state, reason, riskLevel, observed, policyVersion, hour: moment.hour })
  if (state === 'reserved') await chargeSpent(tx, chargesOf(call, moment.day))
  await appendIn(tx, [
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
        ...costWords(call.cost),
        ...(state !== 'reserved' && { policy_hash: policyHash(agent.policy) }),
        ...(state === 'reserved' && editedArgs(row, params)),
      },
    },
  ])
}

/** What was approved, when it is not what was asked for: the log has its hash. */
function editedArgs(row: InputRow, params: Json | undefined) {
  if (!params || row.editableParams.length === 0 || canonicalJson(params) === canonicalJson(row.params)) return {}
  return { edited: true, args_hash: hashOfArgs(params) }
}

/** The events of a request belong to its run; without a run, to a chain that begins with the event that asked. */
export const placeOfAsked = ({ runUuid, eventId }: InputRow) =>
  runUuid ? { runId: runUuid } : eventId ? { correlationId: eventId } : {}
