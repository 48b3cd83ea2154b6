// Metrics of the store: how long its verbs take, as requests feel it.
import type { Registry } from 'prom-client'
import { addRead, histogramValues } from './counted.ts'
import type { StoreLatency } from './timed-store.ts'

/** Adds them. */
export function addStore(registry: Registry, latency: StoreLatency): void {
  const name = 'cardea_store_latency_seconds'
  addRead(registry, { name, help: 'How long verbs of the store take, failures included.', type: 'histogram' }, () =>
    [...latency].flatMap(([verb, histogram]) => histogramValues(name, histogram, { verb })),
  )
}
