// A governed call that counts against the plan of its project.
import type { Ctx } from '#bell/ctx.ts'
import type { Db } from '#postgres/sql.ts'
import type { NamedPlan } from '#usage/plan-of.ts'
import { addUse } from '#usage/plans.sql.ts'
import { countRefusal, isUsedUp, requireQuota, watchQuota } from '#usage/quota.ts'
import { callTool } from './call-tool.ts'
import { isIdle } from './foresee-call.ts'
import type { CallAnswer, ToolCall } from './governed-call.ts'

/**
 * Makes a governed call, and counts it: what was made counts, what was blocked or made before does not. Where a quota is a
 * hard stop it is counted before it is made, and taken back when it was not: calls at the same time share what is left.
 */
export async function callToolOnPlan(ctx: Ctx, call: ToolCall, plan: NamedPlan): Promise<CallAnswer> {
  const { projectId } = call
  const quota = { projectId, plan, kind: 'ai' } as const
  // What would not be made needs no quota.
  const reserves = plan.hardStop && !((await isUsedUp(ctx.sql, quota)) && (await isIdle(ctx, call)))
  const reserve = async (tx: Db) => {
    await requireQuota(tx, quota)
    await addUse(tx, [{ projectId, kind: 'ai', charged: 1 }])
  }
  if (reserves) await ctx.sql.begin(reserve).catch(countRefusal(ctx, quota))
  const reserved = reserves ? 1 : 0
  const answer = await callTool(ctx, call).catch(async (error: unknown) => {
    await addUse(ctx.sql, [{ projectId, kind: 'ai', charged: -reserved }])
    throw error
  })
  const charged = (answer.decision === 'executed' ? 1 : 0) - reserved
  const blocked = answer.decision === 'blocked' ? 1 : 0
  await addUse(ctx.sql, [{ projectId, kind: 'ai', requests: 1, charged, blocked }])
  watchQuota(ctx, quota)
  return answer
}
