// Metrics of forwarding: what the meters of the routes hold. A label is the prefix of a route of the config, never a path.
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { RouteMeter } from '../forward/route/meter.ts'
import { addRead, histogramValues } from './counted.ts'

/** Adds them. */
export function addForwarding(app: FastifyInstance, registry: Registry): void {
  const requests = {
    name: 'cardea_forwarded_requests_total',
    help: 'Requests sent to services, by route and by the status class of the response (101: a tunnel opened); failed: none came; left: nobody waited.',
    type: 'counter',
  } as const
  addRead(registry, requests, () => app.routeMeters.flatMap(responsesOf))
  const name = 'cardea_upstream_latency_seconds'
  const help = 'From sending a request to a service to the first byte of its response.'
  addRead(registry, { name, help, type: 'histogram' }, () =>
    app.routeMeters.flatMap(({ prefix, latency }) => histogramValues(name, latency, { route: prefix })),
  )
  addTunnels(app, registry)
}

// Of routes that had one: most never do.
function addTunnels(app: FastifyInstance, registry: Registry): void {
  const name = 'cardea_tunnel_seconds'
  const help = 'How long WebSockets were open, of those that have ended.'
  addRead(registry, { name, help, type: 'histogram' }, () =>
    app.routeMeters
      .filter(({ responses }) => responses[1] !== 0)
      .flatMap(({ prefix, tunnels }) => histogramValues(name, tunnels, { route: prefix })),
  )
}

function responsesOf({ prefix, responses, failed, left }: RouteMeter) {
  const classes = [2, 3, 4, 5].map((first) => ({ status: `${first}xx`, value: responses[first] ?? 0 }))
  const tunnels = { status: '101', value: responses[1] ?? 0 }
  const all = [tunnels, ...classes, { status: 'failed', value: failed }, { status: 'left', value: left }]
  return all.map(({ status, value }) => ({ labels: { route: prefix, status }, value }))
}
