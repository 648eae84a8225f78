// Prices of models: the project's own, and the cost of a call.

import type { Ctx } from '#bell/ctx.ts'
import { refuse, refuseField } from '#core/error.ts'
import type { Cause } from '#core/event.ts'
import { type Cost, costOfMicrousd, NO_COST } from '#core/usage/cost.ts'
import { PRICES_OF } from '#core/usage/price-list.ts'
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
} from '#core/usage/prices.ts'
import { record } from '#log/record.ts'
import type { Db } from '#postgres/sql.ts'
import { deletePrice, findPrices, listPrices, type PriceRow, putPrice } from './prices.sql.ts'

type Asked = Cause & { projectId: string }
type Model = Pick<Price, 'provider' | 'model'>

type Call = Model & { promptTokens: number; completionTokens: number; costMicrousd?: number | undefined }

/**
 * The cost of a call: as the client says, or else by the price of its model, or else 0. Prices are not cached: each is
 * one row by its key, and a new price applies immediately on every node.
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

/** Sets the project's price of a model; it applies to calls recorded from now on. */
export function setPrice(ctx: Ctx, asked: Asked & Price): Promise<PriceRow> {
  const { projectId, promptMicrousdPerMillion, completionMicrousdPerMillion } = asked
  const provider = providerName(asked.provider)
  const data = {
    prompt_microusd_per_million: promptMicrousdPerMillion,
    completion_microusd_per_million: completionMicrousdPerMillion,
  }
  return change(ctx, asked, { type: 'price.set', data }, (tx) => putPrice(tx, projectId, { ...asked, provider }))
}

/** Deletes the project's price; a built-in one, if any, applies again. */
export const removePrice = (ctx: Ctx, asked: Asked & Model): Promise<void> =>
  change(ctx, asked, { type: 'price.deleted' }, async (tx) => {
    const { projectId, provider, model } = asked
    const deleted = await deletePrice(tx, projectId, { provider: providerName(provider), model })
    if (!deleted) throw refuse('price_not_found', { provider, model })
  })

function change<T>(
  ctx: Ctx,
  asked: Asked & Model,
  { type, data }: { type: string; data?: object },
  write: (tx: Db) => Promise<T>,
): Promise<T> {
  const provider = providerName(asked.provider)
  const event = {
    projectId: asked.projectId,
    type,
    actor: asked.actor,
    correlationId: asked.correlationId,
    causationId: asked.causationId,
    resourceType: 'price',
    resourceId: `${provider}/${asked.model}`,
    data: { provider, model: asked.model, ...data },
  }
  return record(ctx, async (tx) => ({ result: await write(tx), events: [event] }))
}

export type ShownPrice = Price & { source: PriceSource; updatedAt: Date }
/** Cursor of a list of prices: after this price, in the order of provider, model and source. */
export type PricePlace = Model & { source: string }

/** The project's and the built-in prices, by provider and model, the project's last: up to `limit`. */
export async function readPrices(
  ctx: Pick<Ctx, 'reads'>,
  projectId: string,
  { after, limit }: { after: PricePlace; limit: number },
): Promise<ShownPrice[]> {
  // One more, for the price that the previous page may have ended with.
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

/** Compares by bytes, like the database. */
const compare = (one: PricePlace, other: PricePlace): number => Buffer.compare(placeOf(one), placeOf(other))

// Neither a provider nor a model can contain NUL, which sorts before everything they can contain.
const placeOf = ({ provider, model, source }: PricePlace): Buffer => Buffer.from(`${provider}\0${model}\0${source}`)
