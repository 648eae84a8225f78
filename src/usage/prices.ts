// Prices of models: what a project sets itself, and what a call costs by them.

import type { Ctx } from '#bell/ctx.ts'
import { type Cost, costOfMicrousd, NO_COST } from '#core/cost.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { PRICES_OF } from '#core/price-list.ts'
import {
  COST_MICROUSD_MAX,
  type CostSource,
  costMicrousd,
  costOfTokens,
  findRate,
  LISTED_PRICES,
  type Price,
  type PriceSource,
  priceNames,
  providerName,
} from '#core/prices.ts'
import { appendEvents } from '#log/append-events.sql.ts'
import type { Db } from '#postgres/sql.ts'
import { deletePrice, findPrices, listPrices, type PriceRow, putPrice } from './prices.sql.ts'

type Asked = Cause & { projectId: string }
type Model = Pick<Price, 'provider' | 'model'>

type Call = Model & { promptTokens: number; completionTokens: number; costMicrousd?: number | undefined }

/**
 * What a call cost: as the client says, else by the price of its model, else 0. Prices are not remembered between calls:
 * they are one row by its key, and a new one applies at once on every node.
 */
export async function costOfCall(
  ctx: Pick<Ctx, 'sql'>,
  projectId: string,
  call: Call,
): Promise<{ cost: Cost; costSource: CostSource }> {
  if (call.costMicrousd !== undefined) return { cost: costOfMicrousd(call.costMicrousd), costSource: 'client' }
  const { provider, model } = call
  const own = await findPrices(ctx.sql, projectId, { provider: providerName(provider), models: priceNames(model) })
  const found = findRate(provider, model, own)
  if (!found) return { cost: NO_COST, costSource: 'unknown' }
  const shown = costMicrousd(found.rate, call)
  if (shown > COST_MICROUSD_MAX)
    throw refuseField('cost_microusd', `would be ${shown} by the price of the model, and may be ${COST_MICROUSD_MAX}`)
  return { cost: costOfTokens(found.rate, call), costSource: found.source }
}

/** Sets the project's own price of a model; it applies to calls that are recorded from now on. */
export function setPrice(ctx: Ctx, asked: Asked & Price): Promise<PriceRow> {
  const { projectId, promptMicrousdPerMillion, completionMicrousdPerMillion } = asked
  const provider = providerName(asked.provider)
  const data = {
    prompt_microusd_per_million: promptMicrousdPerMillion,
    completion_microusd_per_million: completionMicrousdPerMillion,
  }
  return change(ctx, asked, { type: 'price.set', data }, (tx) => putPrice(tx, projectId, { ...asked, provider }))
}

/** Takes the project's own price away; a built-in one applies again, if there is one. */
export const removePrice = (ctx: Ctx, asked: Asked & Model): Promise<void> =>
  change(ctx, asked, { type: 'price.deleted' }, async (tx) => {
    const { projectId, provider, model } = asked
    const deleted = await deletePrice(tx, projectId, { provider: providerName(provider), model })
    if (!deleted) throw refuse('price_not_found', { provider, model })
  })

async function change<T>(
  ctx: Ctx,
  asked: Asked & Model,
  { type, data }: { type: string; data?: object },
  write: (tx: Db) => Promise<T>,
): Promise<T> {
  const provider = providerName(asked.provider)
  const done = await ctx.sql.begin(async (tx) => {
    const written = await write(tx)
    await appendEvents(tx, [
      {
        projectId: asked.projectId,
        type,
        actor: asked.actor,
        correlationId: asked.correlationId,
        causationId: asked.causationId,
        resourceType: 'price',
        resourceId: `${provider}/${asked.model}`,
        data: { provider, model: asked.model, ...data },
      },
    ])
    return written
  })
  ctx.ring(['tail'])
  return done as T
}

export type ShownPrice = Price & { source: PriceSource; updatedAt: Date }
/** Where a list of prices goes on: after this price, in the order of provider, model and source. */
export type PricePlace = Model & { source: string }

/** The project's own prices and the built-in ones, by provider and model, the own one last: up to `limit`. */
export async function readPrices(
  ctx: Pick<Ctx, 'reads'>,
  projectId: string,
  { after, limit }: { after: PricePlace; limit: number },
): Promise<ShownPrice[]> {
  // One more, for the price that the page before may have ended with.
  const own = await listPrices(ctx.reads, projectId, { from: after, limit: limit + 1 })
  const updatedAt = new Date(PRICES_OF)
  return [
    ...own.map((price) => ({ ...price, source: 'project_price' as const })),
    ...LISTED_PRICES.map((price) => ({ ...price, source: 'list_price' as const, updatedAt })),
  ]
    .filter((price) => compare(price, after) > 0)
    .sort(compare)
    .slice(0, limit)
}

/** By bytes, as the database orders its own. */
const compare = (one: PricePlace, other: PricePlace): number => Buffer.compare(placeOf(one), placeOf(other))

// Neither a provider nor a model can hold a NUL, which is below all that they can hold.
const placeOf = ({ provider, model, source }: PricePlace): Buffer => Buffer.from(`${provider}\0${model}\0${source}`)
