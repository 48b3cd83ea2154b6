// The plugin `metrics`: what Prometheus reads. Decorates `app.metrics`. Every label comes from a closed set that is known at the
// start, so nothing that clients send adds a line; numbers of hot paths are kept there and only read here.
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'
import { addForwarding } from './forwarding.ts'
import { addGateway } from './gateway.ts'
import { addBuild, addOwnRoutes } from './own-routes.ts'
import { addSessions } from './sessions.ts'
import { addStore } from './store.ts'
import type { Totals } from './totals.ts'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
  }
}

export { Totals } from './totals.ts'

export interface MetricsOptions {
  /** What this process counts; one for all apps of it. */
  totals: Totals
  /** Of the gateway. */
  version: string
  /** Lines of the process's log that were lost. */
  droppedLogLines: () => number
}

export interface Metrics {
  readonly registry: Registry
  /** The text format of Prometheus, version 0.0.4. Never rejects for a store that is away: its numbers are left out. */
  text(): Promise<string>
}

async function metrics(app: FastifyInstance, { totals, version, droppedLogLines }: MetricsOptions): Promise<void> {
  const registry = new Registry()
  for (const metric of metricsOfProcess()) registry.registerMetric(metric)
  addSessions(app, registry, totals)
  addForwarding(app, registry)
  addOwnRoutes(app, registry, totals)
  addBuild(registry, version)
  addStore(registry, app.store.latency)
  addGateway(app, registry, totals, droppedLogLines)
  app.decorate('metrics', { registry, text: () => registry.metrics() })
}

let ofProcess: Registry | undefined

// Once for the process, however many apps it has had: what observes it is never ended, and would keep an app for ever.
function metricsOfProcess(): Metric[] {
  if (ofProcess === undefined) {
    ofProcess = new Registry()
    collectDefaultMetrics({ register: ofProcess })
  }
  // Boundary: prom-client's own metrics, declared as what they are written as.
  return ofProcess.getMetricsAsArray() as unknown as Metric[]
}

/** Fastify plugin: decorates `app.metrics`. */
export default fp(metrics, {
  name: 'metrics',
  fastify: '5.x',
  dependencies: ['audit', 'audit-trail', 'revocation', 'credentials', 'forward'],
  decorators: { fastify: ['audit', 'auditTrail', 'sessions', 'store', 'revocation', 'credentials', 'forwardedRoutes'] },
})
