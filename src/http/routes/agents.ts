import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { type AgentRow, listAgents, listPolicies, type PolicyRow } from '#agents/agents.sql.ts'
import { disableAgent, enableAgent, requireAgent, setPolicy } from '#agents/agents.ts'
import { tryPolicy } from '#agents/try-policy.ts'
import type { Ctx } from '#bell/ctx.ts'
import * as agents from '#contract/agents.ts'
import { type Policy, wholePolicy } from '#core/policy.ts'
import { implement } from '../implement.ts'
import { decodeCursor, encodeCursor, INT, pageOf, TEXT } from '../wire/cursor.ts'
import { fromWire, toWire } from '../wire/words.ts'

const policyWire = (policy: Policy) => toWire(wholePolicy(policy)) as Static<typeof agents.Policy>
const agentWire = ({ projectId: _, policy, ...row }: AgentRow) => ({
  ...toWire(row),
  policy: policy && policyWire(policy),
})
const versionWire = (row: PolicyRow) => ({ ...toWire(row), policy: policyWire(row.policy) })
export function agentRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, agents.listAgents, async ({ cursor, limit }, { projectId }) => {
    const [after = ''] = decodeCursor('agents', cursor, [TEXT]) ?? []
    const rows = await listAgents(ctx.reads, projectId, { after, limit: limit + 1 })
    return pageOf(rows, limit, { wire: agentWire, cursor: (row) => encodeCursor('agents', [row.id]) })
  })
  implement(app, agents.getAgent, async ({ agent_id }, { projectId }) =>
    agentWire(await requireAgent(ctx, projectId, agent_id)),
  )
  implement(app, agents.disableAgent, async ({ agent_id, reason }, { projectId, actor }) =>
    agentWire(await disableAgent(ctx, { projectId, actor, agentId: agent_id, reason: reason ?? null })),
  )
  implement(app, agents.enableAgent, async ({ agent_id, reason }, { projectId, actor }) =>
    agentWire(await enableAgent(ctx, { projectId, actor, agentId: agent_id, reason: reason ?? null })),
  )
  implement(app, agents.setPolicy, async ({ agent_id, mode, policy }, { projectId, actor }) =>
    versionWire(
      await setPolicy(ctx, { projectId, actor, agentId: agent_id, mode, policy: () => fromWire(policy) as Policy }),
    ),
  )
  implement(app, agents.listPolicyVersions, async ({ agent_id, cursor, limit }, { projectId }) => {
    const before = decodeCursor('policies', cursor, [INT])
    const name = { projectId, agentId: agent_id }
    const rows = await listPolicies(ctx.reads, name, { before: before && Number(before[0]), limit: limit + 1 })
    return pageOf(rows, limit, { wire: versionWire, cursor: (row) => encodeCursor('policies', [row.version]) })
  })
  implement(app, agents.tryPolicy, async ({ agent_id, policy, days }, { projectId }) => {
    const asked = { projectId, agentId: agent_id, policy: fromWire(policy) as Policy, days, nowMs: ctx.nowMs() }
    const { newlyStopped, newlyAllowed, samples, ...trial } = await tryPolicy(ctx, asked)
    return { ...trial, newly_stopped: newlyStopped, newly_allowed: newlyAllowed, samples: samples.map(toWire) }
  })
}
