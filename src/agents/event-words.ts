// How decisions about calls, and their costs, appear in the log.
import { type Cost, exactUsd, shownMicrousd } from '#core/usage/cost.ts'

/** A cost in events: fractions of a micro-dollar are kept, so that sums over events are exact. */
export const costWords = (cost: Cost) => ({
  cost_microusd: shownMicrousd(cost),
  ...(cost.picousd > 0 && { cost_usd: exactUsd(cost) }),
})

/** In the log of its run, or beside it in the same chain, when that log describes the call in its own words. */
export const placeOf = ({ runId, chain }: { runId?: string | null | undefined; chain?: string | undefined }) =>
  chain !== undefined ? { correlationId: chain } : runId ? { runId } : {}
