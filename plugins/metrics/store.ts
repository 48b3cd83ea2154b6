// Metrics of the store: how long its verbs take, as requests feel it.
import type { Registry } from 'prom-client'
import type { VerbLatency } from '../session-store/verb-latency.ts'
import { addRead, histogramValues } from './counted.ts'

/** Adds them. */
export function addStore(registry: Registry, { histograms }: VerbLatency): void {
  const name = 'cardea_store_latency_seconds'
  addRead(registry, { name, help: 'How long verbs of the store take, failures included.', type: 'histogram' }, () =>
    [...histograms].flatMap(([verb, histogram]) => histogramValues(name, histogram, { verb })),
  )
}
