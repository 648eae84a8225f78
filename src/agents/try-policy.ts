// A policy held against the past of an agent: its calls are judged anew, in their order, with the sums that they would
// have found if the policy had been in force.

import type { Ctx } from '#bell/ctx.ts'
import { judge, type Policy, type PolicyReason } from '#core/policy.ts'
import { type AuthorizationRow, listAuthorizations } from './authorizations.sql.ts'

const CALLS_MAX = 10_000
const SAMPLES_MAX = 20
const DAY_MS = 86_400_000

export type Trial = {
  calls: number
  truncated: boolean
  allowed: number
  stopped: { reason: PolicyReason; calls: number }[]
  newlyStopped: number
  newlyAllowed: number
  samples: { at: Date; tool: string; was: PolicyReason; wouldBe: PolicyReason }[]
}

export async function tryPolicy(
  ctx: Pick<Ctx, 'reads'>,
  it: { projectId: string; agentId: string; policy: Policy; days: number; nowMs: number },
): Promise<Trial> {
  const from = new Date(it.nowMs - it.days * DAY_MS).toISOString()
  const rows = await listAuthorizations(ctx.reads, it, { limit: CALLS_MAX + 1, from })
  const calls = rows
    .slice(0, CALLS_MAX)
    .reverse()
    // That the agent was switched off is no news of any policy.
    .filter((call) => call.reason !== 'agent_disabled')
  const judged = judgeAll(it.policy, calls)
  const stopped = new Map<PolicyReason, number>()
  for (const reason of judged) if (reason !== 'ok') stopped.set(reason, (stopped.get(reason) ?? 0) + 1)
  const other = calls.flatMap((call, index) => {
    const wouldBe = judged[index]!
    return (wouldBe === 'ok') === wasAllowed(call)
      ? []
      : [{ at: call.createdAt, tool: call.tool, was: call.reason, wouldBe }]
  })
  return {
    calls: calls.length,
    truncated: rows.length > CALLS_MAX,
    allowed: judged.filter((reason) => reason === 'ok').length,
    stopped: [...stopped].map(([reason, calls]) => ({ reason, calls })).sort((a, b) => b.calls - a.calls),
    newlyStopped: other.filter((it) => it.wouldBe !== 'ok').length,
    newlyAllowed: other.filter((it) => it.wouldBe === 'ok').length,
    samples: other.slice(-SAMPLES_MAX).reverse(),
  }
}

const wasAllowed = ({ state }: AuthorizationRow): boolean => state === 'reserved' || state === 'settled'

function judgeAll(policy: Policy, calls: readonly AuthorizationRow[]): PolicyReason[] {
  let [hour, day] = [0, 0]
  let [actions, spend] = [0, 0]
  let ofTool = new Map<string, number>()
  return calls.map(({ createdAt, tool, costMicrousd: cost }) => {
    const costMicrousd = policy.pricesMicrousd[tool] ?? cost
    const atMs = createdAt.getTime()
    if (Math.floor(atMs / 3_600_000) !== hour) [hour, actions] = [Math.floor(atMs / 3_600_000), 0]
    if (Math.floor(atMs / DAY_MS) !== day) [day, spend, ofTool] = [Math.floor(atMs / DAY_MS), 0, new Map()]
    const callsOfToolToday = ofTool.get(tool) ?? 0
    const standing = { enabled: true, actionsThisHour: actions, callsOfToolToday, spendTodayMicrousd: spend }
    const reason = judge(policy, standing, { tool, costMicrousd })
    if (reason === 'ok') {
      actions++
      spend += costMicrousd
      ofTool.set(tool, callsOfToolToday + 1)
    }
    return reason
  })
}
