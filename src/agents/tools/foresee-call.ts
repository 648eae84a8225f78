// Predicts the outcome of a governed call, without making it, deciding about it or counting it.

import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { costOf, isObserved, judge, riskOf, wholePolicy } from '#core/policy.ts'
import { findRun } from '#run-state/read/read-runs.sql.ts'
import { readMoment } from '#usage/ledger.sql.ts'
import { findAgent } from '../agents.sql.ts'
import { readStandings } from '../standing.ts'
import { findToolOf, keptAs } from './call-tool.ts'
import type { CallAnswer, ToolCall } from './governed-call.ts'
import { findKeptResult } from './tools.sql.ts'

/** Evaluated as if it were made now. */
export async function previewCall(ctx: Ctx, call: ToolCall): Promise<CallAnswer> {
  const tool = await findToolOf(ctx, call).catch(asAnswer)
  if ('decision' in tool) return tool
  const { projectId, agentId } = call
  const [agent, run, moment] = await Promise.all([
    findAgent(ctx.sql, projectId, agentId),
    call.runRef === undefined ? undefined : findRun(ctx.sql, projectId, call.runRef),
    readMoment(ctx.sql),
  ])
  const asked = { projectId, agentId, tool: call.tool, runId: run?.id }
  const standings = await readStandings(ctx.sql, { calls: [asked], agents: agent ? [agent] : [], moment })
  const policy = wholePolicy(agent?.policy)
  const cost = costOf(policy, call.tool, call.cost)
  const reason = judge(policy, standings.of(agent, asked), { tool: call.tool, cost })
  const allowed = reason === 'ok' || isObserved(agent?.policyMode, reason)
  return {
    ok: allowed,
    allowed,
    decision: allowed ? 'dry_run' : 'blocked',
    reason: allowed ? 'ok' : reason,
    riskLevel: riskOf(allowed ? 'ok' : reason),
    result: {},
  }
}

/** Whether it would be answered without reaching its tool: an earlier result exists, or it would be blocked. */
export async function isIdle(ctx: Ctx, call: ToolCall): Promise<boolean> {
  const { projectId, agentId } = call
  const tool = await findToolOf(ctx, call).catch(asAnswer)
  if ('decision' in tool) return true
  const as = keptAs(call, tool)
  if (as && (await findKeptResult(ctx.sql, { projectId, agentId, tool: call.tool, key: as.key }))) return true
  return !(await previewCall(ctx, call)).allowed
}

/** A missing tool fails its action; any other error is a reason to retry later. */
export function asAnswer(error: unknown): CallAnswer {
  if (!(error instanceof Refusal && error.code === 'tool_not_found')) throw error
  return {
    ok: false,
    allowed: false,
    decision: 'blocked',
    reason: 'tool_not_found',
    riskLevel: 'medium',
    result: { error: error.message },
  }
}
