// Metrics of the gateway's own routes, and of its build. A label is the pattern of a route, never a path.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import { addRead } from './counted.ts'
import type { Totals } from './totals.ts'

/** Counts the responses of every own route that is declared from now on, and adds the metric. */
export function addOwnRoutes(app: FastifyInstance, registry: Registry, { ownResponses }: Totals): void {
  const count = ({ routeOptions }: FastifyRequest, { statusCode }: FastifyReply, done: () => void) => {
    const key = `${routeOptions.url} ${statusCode}`
    ownResponses.set(key, (ownResponses.get(key) ?? 0) + 1)
    done()
  }
  app.addHook('onRoute', (route) => {
    // Those that are forwarded have meters.
    if (route.config?.streamsBody === true) return
    route.onResponse = [...[route.onResponse ?? []].flat(), count]
  })
  const requests = {
    name: 'cardea_own_requests_total',
    help: 'Requests to the gateway’s own routes, by route and status.',
    type: 'counter',
  } as const
  addRead(registry, requests, () =>
    [...ownResponses].map(([key, value]) => {
      const [route = '', status = ''] = key.split(' ')
      return { labels: { route, status }, value }
    }),
  )
}

/** Adds which build this is: always 1. */
export function addBuild(registry: Registry, version: string): void {
  const build = {
    name: 'cardea_build_info',
    help: 'Version of the gateway and of Node, as labels; always 1.',
    type: 'gauge',
    aggregator: 'max',
  } as const
  addRead(registry, build, () => [{ labels: { version, node: process.version }, value: 1 }])
}
