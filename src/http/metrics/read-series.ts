// Series that are counted elsewhere, and only read here when somebody scrapes.
import type { Metric, Registry } from 'prom-client'
import type { HistogramReading } from '#core/histogram.ts'

export type Labels = Record<string, string>
export type SeriesValue = { labels: Labels; value: number; metricName?: string }
type ReadSeries = { name: string; help: string; type: 'counter' | 'gauge' | 'histogram'; read: () => SeriesValue[] }

/** Adds a series whose values `read` tells. */
export function addReadSeries(registry: Registry, { name, help, type, read }: ReadSeries): void {
  // All that a registry asks of a series for its text.
  const series = { name, help, type, get: async () => ({ name, help, type, values: read() }) }
  registry.registerMetric(series as unknown as Metric)
}

/** The values of one histogram, as the text format has them. */
export function histogramValues(name: string, labels: Labels, reading: HistogramReading): SeriesValue[] {
  const { bounds, counts, sum, count } = reading
  const bucket = (le: string, value: number) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value })
  return [
    ...bounds.map((bound, at) => bucket(String(bound), counts[at]!)),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
