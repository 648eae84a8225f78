// What the calls of models cost that spans tell of: as the sender says, or by the price of the model.
import type { Ctx } from '#bell/ctx.ts'
import { Refusal } from '#core/error.ts'
import { type Cost, exactUsd, shownMicrousd } from '#core/usage/cost.ts'
import { costOfCall } from '#usage/prices.ts'
import type { SpanFact } from './read-span.ts'
import { isBooked } from './span-event.ts'

export type Priced = { cost: Cost; data: Record<string, unknown> }
export type Prices = ReadonlyMap<SpanFact, Priced>

/** Prices that are looked up at the same time. */
const TOGETHER_MAX = 50

/** Of spans that cannot be booked, the reason. */
export async function priceSpans(
  ctx: Pick<Ctx, 'sql'>,
  projectId: string,
  facts: readonly SpanFact[],
): Promise<{ prices: Prices; reasons: ReadonlyMap<SpanFact, string> }> {
  const prices = new Map<SpanFact, Priced>()
  const reasons = new Map<SpanFact, string>()
  const booked = facts.filter(isBooked)
  for (let at = 0; at < booked.length; at += TOGETHER_MAX)
    await Promise.all(
      booked.slice(at, at + TOGETHER_MAX).map(async (fact) => {
        try {
          prices.set(fact, await priceOf(ctx, projectId, fact))
        } catch (error) {
          // Tokens that would cost more than a call can.
          if (!(error instanceof Refusal) || error.code !== 'invalid') throw error
          reasons.set(fact, error.message)
        }
      }),
    )
  return { prices, reasons }
}

async function priceOf(ctx: Pick<Ctx, 'sql'>, projectId: string, { model }: SpanFact): Promise<Priced> {
  const { cost, costSource } = await costOfCall(ctx, projectId, model!)
  const data = {
    cost_microusd: shownMicrousd(cost),
    ...(cost.picousd > 0 && { cost_usd: exactUsd(cost) }),
    cost_source: costSource,
  }
  return { cost, data }
}
