// What leases and governed calls count against the plan of their project.
import { callTool } from '#agents/tools/call-tool.ts'
import { isIdle } from '#agents/tools/foresee-call.ts'
import type { CallAnswer, ToolCall } from '#agents/tools/governed-call.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { Db } from '#postgres/sql.ts'
import { addUse, lockMonths, readMonth } from '#usage/plans.sql.ts'
import { writeFeed } from './feed.ts'
import type { NamedPlan } from './plans.ts'
import { noteUse, overLimit } from './usage.ts'
import { OnceRefusal } from './wording.ts'

const KIND = 'ai'

/** The count of this month. */
export async function usedOf({ sql }: { sql: Db }, projectId: string): Promise<number> {
  const months = await readMonth(sql, [projectId])
  return months.find(({ kind }) => kind === KIND)?.charged ?? 0
}

async function usedUp(ctx: Ctx, projectId: string, plan: NamedPlan): Promise<boolean> {
  return plan.hardStop && (await usedOf(ctx, projectId)) >= plan.months[KIND]
}

/** Refuses a call beyond a hard monthly limit; undefined for plans without one. */
export function admission(projectId: string, plan: NamedPlan): ((tx: Db) => Promise<void>) | undefined {
  if (!plan.hardStop) return undefined
  return async (tx) => {
    await lockMonths(tx, [projectId])
    const usage = await usedOf({ sql: tx }, projectId)
    if (usage >= plan.months[KIND]) throw overLimit(plan, KIND, usage)
  }
}

/** Counts a call that was refused because of its month, and adds it to the feed. */
export const countBlocked =
  (ctx: Ctx, projectId: string, about: { plan: NamedPlan; key?: string }) =>
  async (error: unknown): Promise<never> => {
    if (error instanceof OnceRefusal && error.status === 402) {
      const { plan, key } = about
      await addUse(ctx.sql, [{ projectId, kind: KIND, requests: 1, blocked: 1 }])
      const meta = { kind: KIND, plan: plan.name, limit: plan.months[KIND] }
      writeFeed(ctx, projectId, { type: 'over_limit', ...(key !== undefined && { key }), meta })
    }
    throw error
  }

/** A call that only returned the status of its key. */
export const countAsked = (ctx: Ctx, projectId: string): Promise<void> =>
  addUse(ctx.sql, [{ projectId, kind: KIND, requests: 1, polling: 1 }])

/**
 * Makes a governed call, and counts it: calls that were made count, blocked or deduplicated ones do not. With a hard
 * limit it is counted before it is made, and uncounted if it was not: concurrent calls share what is left.
 */
export async function countedCall(ctx: Ctx, projectId: string, plan: NamedPlan, call: ToolCall): Promise<CallAnswer> {
  // A call that would not be made needs no quota.
  const admit =
    (await usedUp(ctx, projectId, plan)) && (await isIdle(ctx, call)) ? undefined : admission(projectId, plan)
  if (admit)
    await inTransaction(ctx, async (tx) => {
      await admit(tx)
      await addUse(tx, [{ projectId, kind: KIND, charged: 1 }])
    }).catch(countBlocked(ctx, projectId, { plan }))
  const counted = admit ? 1 : 0
  const answer = await callTool(ctx, call).catch(async (error: unknown) => {
    await addUse(ctx.sql, [{ projectId, kind: KIND, charged: -counted }])
    throw error
  })
  const charged = (answer.decision === 'executed' ? 1 : 0) - counted
  const blocked = answer.decision === 'blocked' ? 1 : 0
  await addUse(ctx.sql, [{ projectId, kind: KIND, requests: 1, charged, blocked }])
  noteUse(ctx, { projectId, plan, kind: KIND })
  return answer
}

const inTransaction = (ctx: Ctx, work: (tx: Db) => Promise<void>): Promise<unknown> => ctx.sql.begin((tx) => work(tx))

/** Plans without a hard limit report exceeding it. */
export const noteLease = (ctx: Ctx, projectId: string, plan: NamedPlan): void =>
  noteUse(ctx, { projectId, plan, kind: KIND })
