// What a call that was allowed really cost, booked once it is over.
import type { Ctx } from '#bell/ctx.ts'
import { refuse } from '#core/error.ts'
import type { Actor } from '#core/event.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import type { Sql } from '#postgres/sql.ts'
import { type AuthorizationRow, findAuthorization, settleAuthorization } from './authorizations.sql.ts'
import { placeOf } from './authorize.ts'
import { lockCallers } from './lock-callers.ts'

/** Books what a call really cost, and how it ended. */
export async function settleCall(
  ctx: Ctx,
  it: {
    projectId: string
    authorizationId: string
    actor: Actor
    costMicrousd?: number | undefined
    outcome: 'succeeded' | 'failed'
    /** As for the decision. */
    chain?: string | undefined
    leaseToken?: string | undefined
  },
): Promise<AuthorizationRow> {
  const settled = await ctx.sql.begin(async (transaction) => {
    const tx = transaction as unknown as Sql
    const { runId } = (await findAuthorization(tx, it.projectId, it.authorizationId)) ?? {}
    // The run before the sums, as whoever decides.
    const [problem] = await lockCallers(tx, [{ ...it, runId: runId ?? undefined }])
    if (problem) throw problem
    const row = await settleAuthorization(tx, it.projectId, {
      id: it.authorizationId,
      costMicrousd: it.costMicrousd,
      outcome: it.outcome,
    })
    if (!row) return undefined
    await appendEvents(tx, [
      {
        projectId: it.projectId,
        type: it.outcome === 'succeeded' ? 'agent.action.completed' : 'agent.action.failed',
        actor: it.actor,
        resourceType: 'agent',
        resourceId: row.agentId,
        agentId: row.agentId,
        tool: row.tool,
        ...placeOf({ runId: row.runId ?? undefined, chain: it.chain }),
        data: { authorization_id: row.id, cost_microusd: row.costMicrousd },
      },
    ])
    return row
  })
  if (!settled) throw refuse('authorization_not_reserved', { authorizationId: it.authorizationId })
  ctx.ring(['tail'])
  return settled as AuthorizationRow
}
