import type { FastifyInstance } from 'fastify'
import type { Ctx } from '#bell/ctx.ts'
import * as contract from '#contract/usage.ts'
import { requireRun } from '#run-state/read/require-run.ts'
import { readPrices, removePrice, setPrice } from '#usage/prices.ts'
import { readUsageSums } from '#usage/sum-usage.ts'
import { findUsageTotals, listUsage } from '#usage/usage.sql.ts'
import { implement } from '../implement.ts'
import { decodeCursor, encodeCursor, pageOf, TEXT, WHOLE } from '../wire/cursor.ts'
import { toWire } from '../wire/words.ts'
import { totalsWire } from './authorizations.ts'

export function usageRoutes(app: FastifyInstance, ctx: Ctx): void {
  implement(app, contract.listUsage, async ({ run_id, cursor, limit }, caller) => {
    const run = await requireRun(ctx, caller.projectId, run_id)
    const after = Number(decodeCursor('usage', cursor, [WHOLE])?.[0] ?? 0)
    const [rows, totals] = await Promise.all([
      listUsage(ctx.sql, run.id, { after, limit: limit + 1 }),
      findUsageTotals(ctx.sql, run.id),
    ])
    const page = pageOf(rows, limit, {
      wire: (row) => ({ run_id: run.publicId, ...toWire(row) }),
      cursor: (row) => encodeCursor('usage', [row.sequence]),
    })
    return { ...page, totals: toWire(totals) }
  })
  implement(app, contract.sumUsage, async ({ group_by, from, to, agent_id, ...rest }, { projectId }) => {
    const read = await readUsageSums(ctx, {
      ...rest,
      projectId,
      groupBy: group_by ?? [],
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
      agentId: agent_id,
    })
    return {
      from: read.from.toISOString(),
      to: read.to.toISOString(),
      data: read.sums.map(({ hour, ...sum }) => ({ ...toWire(sum), ...(hour && { hour: hour.toISOString() }) })),
      has_more: read.hasMore,
      totals: read.totals && totalsWire(read.totals),
    }
  })
  implement(app, contract.listPrices, async ({ cursor, limit }, { projectId }) => {
    const [provider = '', model = '', source = ''] = decodeCursor('prices', cursor, [TEXT, TEXT, TEXT]) ?? []
    const rows = await readPrices(ctx, projectId, { after: { provider, model, source }, limit: limit + 1 })
    return pageOf(rows, limit, {
      wire: toWire,
      cursor: (row) => encodeCursor('prices', [row.provider, row.model, row.source]),
    })
  })
  implement(app, contract.setPrice, async (input, { projectId, actor }) => {
    const row = await setPrice(ctx, {
      projectId,
      actor,
      provider: input.provider,
      model: input.model,
      promptMicrousdPerMillion: input.prompt_microusd_per_million,
      completionMicrousdPerMillion: input.completion_microusd_per_million,
    })
    return { ...toWire(row), source: 'project_price' as const }
  })
  implement(app, contract.deletePrice, async ({ provider, model }, { projectId, actor }) => {
    await removePrice(ctx, { projectId, actor, provider, model })
    return undefined
  })
}
