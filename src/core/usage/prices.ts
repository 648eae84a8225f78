// The cost of a model call: which price applies, and the cost of its tokens at that price.
import { type Cost, shownMicrousd } from './cost.ts'
import { PRICES_USD } from './price-list.ts'

/** Micro-USD (millionths of a US dollar) per million tokens: whole numbers, so that no sum drifts. */
export type Rate = { promptMicrousdPerMillion: number; completionMicrousdPerMillion: number }
export type Price = Rate & { provider: string; model: string }

/** One dollar per token. */
export const RATE_MAX = 1_000_000_000_000
/** A million dollars per call: an hourly sum has room for nine million such calls, and anything higher is a mistake. */
export const COST_MICROUSD_MAX = 1_000_000_000_000

export const PRICE_SOURCES = ['project_price', 'list_price'] as const
export type PriceSource = (typeof PRICE_SOURCES)[number]
/** Where a cost comes from; `unknown` is a cost of 0 because no price applies. */
export type CostSource = PriceSource | 'client' | 'unknown'

/** Providers are case-insensitive; models are not, because their names are identifiers. */
export const providerName = (provider: string): string => provider.toLowerCase()

/** The built-in prices. */
export const LISTED_PRICES: readonly Price[] = Object.entries(PRICES_USD).flatMap(([provider, lines]) =>
  lines.map(([model, promptUsd, completionUsd]) => ({
    provider,
    model,
    promptMicrousdPerMillion: Math.round(promptUsd * 1_000_000),
    completionMicrousdPerMillion: Math.round(completionUsd * 1_000_000),
  })),
)

// Neither part of a key of this list contains a space.
const listed = new Map(LISTED_PRICES.map((price) => [`${price.provider} ${price.model}`, price]))

/**
 * The names to look up for the price of a model, best first: the model's own, then its prefixes before each '-' or '@',
 * longest first. So `gpt-4o` is also the price of `gpt-4o-2024-08-06`, and never of `gpt-4omni`.
 */
export function priceNames(model: string): string[] {
  const names = [model]
  for (let end = model.length - 1; end > 0; end--)
    if (model[end] === '-' || model[end] === '@') names.push(model.slice(0, end))
  return names
}

/**
 * The price of a model: the one with the longest name, from the project's prices for this provider (`own`) or the
 * built-in ones; for equal names, the project's. Undefined when there is none.
 */
export function findRate(
  provider: string,
  model: string,
  own: readonly Pick<Price, 'model' | keyof Rate>[],
): { rate: Rate; source: PriceSource } | undefined {
  for (const name of priceNames(model)) {
    const ownRate = own.find((price) => price.model === name)
    if (ownRate) return { rate: ownRate, source: 'project_price' }
    const listedRate = listed.get(`${providerName(provider)} ${name}`)
    if (listedRate) return { rate: listedRate, source: 'list_price' }
  }
  return undefined
}

const MILLION = 1_000_000n

type Tokens = { promptTokens: number; completionTokens: number }

/** The exact cost of a call at a price: a price is per million tokens, so no fraction is smaller than a picodollar. */
export function costOfTokens(rate: Rate, tokens: Tokens): Cost {
  // BigInt: two billion tokens at a dollar each exceed what a number can multiply exactly.
  const picousd =
    BigInt(tokens.promptTokens) * BigInt(rate.promptMicrousdPerMillion) +
    BigInt(tokens.completionTokens) * BigInt(rate.completionMicrousdPerMillion)
  return { microusd: Number(picousd / MILLION), picousd: Number(picousd % MILLION) }
}

/** The same for display. Rounded once for the whole call, because its two parts may both be halves. */
export const costMicrousd = (rate: Rate, tokens: Tokens): number => shownMicrousd(costOfTokens(rate, tokens))
