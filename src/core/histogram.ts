// Counts values by size, as Prometheus wants them: cheap enough for every statement and every run.

/** `counts`: how many values were at most each of the bounds. */
export type HistogramReading = { bounds: readonly number[]; counts: readonly number[]; sum: number; count: number }
export type Histogram = { observe(value: number): void; read(): HistogramReading }

/** `bounds` ascend. */
export function makeHistogram(bounds: readonly number[]): Histogram {
  /** By the first bound that a value does not exceed; the last is for those beyond all bounds. */
  const within = new Array<number>(bounds.length + 1).fill(0)
  let sum = 0
  return {
    observe(value) {
      let at = 0
      while (at < bounds.length && value > bounds[at]!) at++
      within[at]!++
      sum += value
    },
    read() {
      let count = 0
      const counts = within.map((n) => (count += n))
      return { bounds, counts: counts.slice(0, -1), sum, count }
    },
  }
}

/** Of all of them together; they have the same bounds. */
export function addHistograms(bounds: readonly number[], readings: readonly HistogramReading[]): HistogramReading {
  const total = (of: (reading: HistogramReading) => number) => readings.reduce((sum, it) => sum + of(it), 0)
  return {
    bounds,
    counts: bounds.map((_, at) => total(({ counts }) => counts[at]!)),
    sum: total(({ sum }) => sum),
    count: total(({ count }) => count),
  }
}
