// The few statistics that the benches report.

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value that a share `p` of all values does not exceed. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * p) - 1)] ?? Number.NaN
}

/** Half of the distance between the largest and the smallest value, as a share of the median: how noisy it was. */
export function spread(values: readonly number[]): number {
  return round((Math.max(...values) - Math.min(...values)) / 2 / median(values), 2)
}

export function round(value: number, digits = 0): number {
  const factor = 10 ** digits
  return Math.round(value * factor) / factor
}

/** In milliseconds. */
export const tails = (values: readonly number[]): { p50: number; p99: number; max: number } => ({
  p50: round(percentile(values, 0.5), 2),
  p99: round(percentile(values, 0.99), 2),
  max: round(percentile(values, 1), 2),
})
