// Metrics of forwarding: what the meters of the routes hold. A label is the prefix of a route of the config, never a path.
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { CompiledRoute } from '../forward/route/compile.ts'
import { addRead, histogramValues } from './counted.ts'

/** Adds them. */
export function addForwarding(app: FastifyInstance, registry: Registry): void {
  const requests = {
    name: 'cardea_forwarded_requests_total',
    help: 'Requests sent to services, by route and by the status class of the response (101: a tunnel opened); broken: it broke off; failed: none came; left: nobody waited.',
    type: 'counter',
  } as const
  addRead(registry, requests, () => app.forwardedRoutes.flatMap(responsesOf))
  const name = 'cardea_upstream_latency_seconds'
  const help = 'From sending a request to a service to the first byte of its response.'
  addRead(registry, { name, help, type: 'histogram' }, () =>
    app.forwardedRoutes.flatMap(({ prefix, meter: { latency } }) => histogramValues(name, latency, { route: prefix })),
  )
  addTunnels(app, registry)
  addInstances(app, registry)
}

// Of routes that had one: most never do.
function addTunnels(app: FastifyInstance, registry: Registry): void {
  const name = 'cardea_tunnel_seconds'
  const help = 'How long WebSockets were open, of those that have ended.'
  addRead(registry, { name, help, type: 'histogram' }, () =>
    app.forwardedRoutes
      .filter(({ meter }) => meter.responses[1] !== 0)
      .flatMap(({ prefix, meter: { tunnels } }) => histogramValues(name, tunnels, { route: prefix })),
  )
}

// Every instance of the config is there from the start, so that an alarm can ask for one that is gone. Its label is not `instance`,
// which Prometheus gives to what it scrapes.
function addInstances(app: FastifyInstance, registry: Registry): void {
  const up = {
    name: 'cardea_instance_up',
    help: 'Whether an instance of a service gets requests: 0 while its health check fails or it is ejected.',
    type: 'gauge',
    aggregator: 'min',
  } as const
  const now = () => performance.now()
  addRead(registry, up, () =>
    app.forwardedRoutes.flatMap(({ prefix, instances }) =>
      instances.map(({ origin, isSick, outUntilMs }) => ({
        labels: { route: prefix, upstream: origin },
        value: isSick || outUntilMs > now() ? 0 : 1,
      })),
    ),
  )
  const ejections = {
    name: 'cardea_instance_ejections_total',
    help: 'How often an instance of a service was left alone for a while after failures.',
    type: 'counter',
  } as const
  addRead(registry, ejections, () =>
    app.forwardedRoutes.flatMap(({ prefix, instances, meter }) =>
      instances.map(({ origin }) => ({
        labels: { route: prefix, upstream: origin },
        value: meter.ejections.get(origin) ?? 0,
      })),
    ),
  )
}

function responsesOf({ prefix, meter: { responses, broken, failed, left } }: CompiledRoute) {
  const classes = [2, 3, 4, 5].map((first) => ({ status: `${first}xx`, value: responses[first] ?? 0 }))
  const tunnels = { status: '101', value: responses[1] ?? 0 }
  const ends = Object.entries({ broken, failed, left }).map(([status, value]) => ({ status, value }))
  const all = [tunnels, ...classes, ...ends]
  return all.map(({ status, value }) => ({ labels: { route: prefix, status }, value }))
}
