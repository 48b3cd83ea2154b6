// Metrics of several workers as one: the primary asks each, and adds up.
import cluster from 'node:cluster'
import { AggregatorRegistry, type Registry } from 'prom-client'

/** In the primary: @returns asks all workers; rejects when one does not answer */
export function metricsOfWorkers(): () => Promise<string> {
  const aggregator = new AggregatorRegistry()
  return () => aggregator.clusterMetrics()
}

/** In a worker: from now on the primary is told what stands in this registry. Elsewhere it does nothing. */
export function tellPrimary(registry: Registry): void {
  if (!cluster.isWorker) return
  AggregatorRegistry.setRegistries([registry])
  // Made for its listener to what the primary asks, which is added once.
  new AggregatorRegistry()
}
