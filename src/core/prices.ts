// What a call of a model costs: which price applies to it, and what the price makes of its tokens.
import { type Cost, shownMicrousd } from './cost.ts'
import { PRICES_USD } from './price-list.ts'

/** Micro-USD (millionths of a US dollar) per million tokens: whole numbers, so that no sum drifts. */
export type Rate = { promptMicrousdPerMillion: number; completionMicrousdPerMillion: number }
export type Price = Rate & { provider: string; model: string }

/** A dollar a token. */
export const RATE_MAX = 1_000_000_000_000
/** A million dollars for one call: the sum of an hour takes nine million of those, and anything above is a mistake. */
export const COST_MICROUSD_MAX = 1_000_000_000_000

export const PRICE_SOURCES = ['project_price', 'list_price'] as const
export type PriceSource = (typeof PRICE_SOURCES)[number]
/** Where a cost comes from; `unknown` is a cost of 0 for want of any price. */
export type CostSource = PriceSource | 'client' | 'unknown'

/** Providers are told apart without regard to case; models are not, since their names are identifiers. */
export const providerName = (provider: string): string => provider.toLowerCase()

/** The prices that are built in. */
export const LISTED_PRICES: readonly Price[] = Object.entries(PRICES_USD).flatMap(([provider, lines]) =>
  lines.map(([model, promptUsd, completionUsd]) => ({
    provider,
    model,
    promptMicrousdPerMillion: Math.round(promptUsd * 1_000_000),
    completionMicrousdPerMillion: Math.round(completionUsd * 1_000_000),
  })),
)

// Neither part of a key of the list has a space in it.
const listed = new Map(LISTED_PRICES.map((price) => [`${price.provider} ${price.model}`, price]))

/**
 * The names that the price of a model may stand under, the best first: the model's own, then what comes before each
 * '-' or '@' in it, the longest first. So `gpt-4o` is the price of `gpt-4o-2024-08-06` too, and never of `gpt-4omni`.
 */
export function priceNames(model: string): string[] {
  const names = [model]
  for (let end = model.length - 1; end > 0; end--)
    if (model[end] === '-' || model[end] === '@') names.push(model.slice(0, end))
  return names
}

/**
 * The price of a model: the one with the longest name, be it the project's own (`own`: those of this provider) or a
 * built-in one; the project's own where both have that name. Undefined when there is none.
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

/** What a call costs by a price, exactly: a price is for a million tokens, so nothing is below a picodollar. */
export function costOfTokens(rate: Rate, tokens: Tokens): Cost {
  // Two billion tokens at a dollar each are beyond what a number can multiply exactly.
  const picousd =
    BigInt(tokens.promptTokens) * BigInt(rate.promptMicrousdPerMillion) +
    BigInt(tokens.completionTokens) * BigInt(rate.completionMicrousdPerMillion)
  return { microusd: Number(picousd / MILLION), picousd: Number(picousd % MILLION) }
}

/** The same as it is shown. Rounded once for the whole call: its two parts may be halves. */
export const costMicrousd = (rate: Rate, tokens: Tokens): number => shownMicrousd(costOfTokens(rate, tokens))
