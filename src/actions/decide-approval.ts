// What becomes of a call when a person has approved or refused it. It was not counted while they thought about it, so
// it is held against the limits now.
import type { Actor } from '#core/event.ts'
import { judge, NO_POLICY, type PolicyReason, riskOf } from '#core/policy.ts'
import { lockAgents } from '#storage/agents.ts'
import { appendEvents } from '#storage/append-events.ts'
import { decideAsked, findAuthorization, readToday } from '#storage/authorizations.ts'
import type { InputRow } from '#storage/input-requests.ts'
import type { Sql } from '#storage/sql.ts'
import { policyHash } from './policy-hash.ts'

type Answered = { approved: boolean; actor: Actor; causationId: string | undefined }

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
  const judged: PolicyReason = judge(
    { ...(agent!.policy ?? NO_POLICY), approvalTools: [] },
    {
      enabled: agent!.enabled,
      actionsThisHour: sum(
        today.sums.filter((it) => it.hour.getTime() === today.hour.getTime()).map((it) => it.allowed),
      ),
      callsOfToolToday: sum(today.sums.filter((it) => it.tool === call.tool).map((it) => it.allowed)),
      spendTodayMicrousd: sum(today.sums.map((it) => it.costMicrousd)),
    },
    { tool: call.tool, costMicrousd: call.costMicrousd },
  )
  const reason: PolicyReason = approved ? judged : 'approval_denied'
  const state = !approved ? 'denied' : judged === 'ok' ? 'reserved' : 'blocked'
  await decideAsked(tx, { id: call.id, state, reason, riskLevel: riskOf(reason), hour: today.hour })
  await appendEvents(tx, [
    {
      projectId: call.projectId,
      type: state === 'reserved' ? 'policy.allowed' : 'policy.blocked',
      actor,
      causationId,
      resourceType: 'agent',
      resourceId: call.agentId,
      agentId: call.agentId,
      tool: call.tool,
      ...(call.runId && { runId: call.runId }),
      data: {
        authorization_id: call.id,
        reason,
        risk_level: riskOf(reason),
        cost_microusd: call.costMicrousd,
        ...(state !== 'reserved' && { policy_hash: policyHash(agent!.policy) }),
      },
    },
  ])
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
