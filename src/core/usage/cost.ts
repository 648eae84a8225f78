// Amounts of money. A call of a small model costs less than a micro-dollar, so the fraction is stored beside the whole
// micro-dollars: sums of integers are exact in any order, and no call is rounded away.

/** Whole micro-dollars, and the fraction in picodollars: less than a million of them. */
export type Cost = { microusd: number; picousd: number }

export const PICOUSD = 1_000_000
export const NO_COST: Cost = { microusd: 0, picousd: 0 }

/** Carries whole micro-dollars over from the picodollars, of which a sum may have any number. */
export const costFrom = (microusd: number, picousd: number): Cost => ({
  microusd: microusd + Math.floor(picousd / PICOUSD),
  picousd: picousd % PICOUSD,
})

export const addCosts = (one: Cost, other: Cost): Cost =>
  costFrom(one.microusd + other.microusd, one.picousd + other.picousd)

/** From micro-dollars with a fraction, rounded to the nearest picodollar. */
export function costOfMicrousd(microusd: number): Cost {
  const whole = Math.floor(microusd)
  return costFrom(whole, Math.round((microusd - whole) * PICOUSD))
}

/** For display: whole micro-dollars, halves rounded up. */
export const shownMicrousd = ({ microusd, picousd }: Cost): number => microusd + (picousd * 2 >= PICOUSD ? 1 : 0)

export const usdOf = ({ microusd, picousd }: Cost): number => (microusd + picousd / PICOUSD) / 1_000_000

/** In dollars, to the last digit, e.g. `0.00000015`. */
export function exactUsd({ microusd, picousd }: Cost): string {
  const fraction = `${String(microusd % 1_000_000).padStart(6, '0')}${String(picousd).padStart(6, '0')}`
  return `${Math.floor(microusd / 1_000_000)}.${fraction.replace(/0+$/, '') || '0'}`
}

export const isAbove = ({ microusd, picousd }: Cost, limitMicrousd: number): boolean =>
  microusd > limitMicrousd || (microusd === limitMicrousd && picousd > 0)
