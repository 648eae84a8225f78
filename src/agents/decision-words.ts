// How decisions about calls, and what they cost, are told in the log.
import { type Cost, exactUsd, shownMicrousd } from '#core/cost.ts'

/** A cost as events tell it: what is below a micro-dollar is not lost to who adds them up. */
export const costWords = (cost: Cost) => ({
  cost_microusd: shownMicrousd(cost),
  ...(cost.picousd > 0 && { cost_usd: exactUsd(cost) }),
})

/** In the log of its run, or in the same chain beside it when that log tells of the call in words of its own. */
export const placeOf = ({ runId, chain }: { runId?: string | null | undefined; chain?: string | undefined }) =>
  chain !== undefined ? { correlationId: chain } : runId ? { runId } : {}
