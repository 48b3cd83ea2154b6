// Numbers that stand elsewhere, as metrics that prom-client prints: what is counted on a hot path is counted there, in plain
// numbers, and only read here.
import type { Metric, Registry } from 'prom-client'
import type { Histogram } from './histogram.ts'

type Labels = Record<string, string | number>

interface Value {
  labels: Labels
  value: number
  metricName?: string
}

/** A metric that is read when somebody asks. */
export interface MetricOptions {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  /** How workers' numbers become one. */
  aggregator?: 'sum' | 'max' | 'min'
}

/**
 * Adds a metric whose values are read when it is asked for.
 * @param read what fails is left out of this response, the others are in it
 */
export function addRead(registry: Registry, options: MetricOptions, read: () => Value[] | Promise<Value[]>): void {
  const get = async () => {
    const values = await Promise.resolve()
      .then(read)
      .catch((): Value[] => [])
    return { aggregator: 'sum', ...options, values }
  }
  // Boundary: what prom-client's Registry asks of a metric is its name and `get`, whatever its classes are.
  registry.registerMetric({ ...options, get } as unknown as Metric)
}

/** The values of one histogram: cumulative buckets, sum and count. @param name of the metric */
export function histogramValues(name: string, histogram: Histogram, labels: Labels): Value[] {
  const { bounds, counts, sum } = histogram
  let count = 0
  const buckets = Array.from(counts, (inBucket, i) => {
    count += inBucket
    return { labels: { ...labels, le: bounds[i] ?? '+Inf' }, value: count, metricName: `${name}_bucket` }
  })
  return [
    ...buckets,
    { labels, value: sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ]
}
