// The plugin that forwards: it turns routes of the config into hooks and handlers that src/routes/upstreams.ts declares.
// A request is admitted (path, policy, declared length) before a byte of its body is read, then handed to an Exchange.
// It never picks a host from a request, and never answers for a path that is the gateway's own.
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import fp from 'fastify-plugin'
import { networkOf } from '../clients/network.ts'
import { schemeOf } from '../clients/scheme.ts'
import { problem } from '../errors/index.ts'
import { Exchange } from './exchange.ts'
import { type Origin, requestFields } from './headers/forwarded.ts'
import { takesTrailers } from './headers/hints-and-trailers.ts'
import type { DocumentedOperation } from './openapi/compile.ts'
import { checkParameters, hasBody, sendValidated } from './openapi/validate-request.ts'
import { PolicyLookup } from './policy-lookup.ts'
import { closeRevokedStreams } from './revoked-streams.ts'
import {
  type CompiledRoute,
  coversTarget,
  type ForwardedMethod,
  type Instance,
  isReserved,
  upstreamTarget,
} from './route/compile.ts'
import type { RouteMeter } from './route/meter.ts'
import { type ExchangePlace, takePlace } from './route/places.ts'
import { RateLimit } from './route/rate-limit.ts'
import { HealthChecks } from './upstream/health-check.ts'
import { Upstreams } from './upstream/upstreams.ts'
import { admitHandshake, endTunnels, openTunnel } from './websocket/upgrade.ts'

export { identityOf } from './headers/forwarded.ts'
export type { CompiledRoute, ForwardedMethod, PolicyConfig, RouteConfig } from './route/compile.ts'
export { compileRoutes, forwardedMethods, reservedPrefixes, routeSchema, routeViolations } from './route/compile.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes the hook and the handler of one route, and opens its connections. */
    forward(route: CompiledRoute): ForwardedPrefix
    /** The route by which a request is forwarded, and its policies; see `PolicyLookup`. */
    policyLookup: PolicyLookup
    /** What each route has forwarded. */
    routeMeters: readonly RouteMeter[]
  }
  interface FastifyRequest {
    /** What the client is told about the limit of the route: names and values in turn. */
    limitFields: string[] | null
  }
}

/** What a Fastify route is declared with. */
export interface ForwardedRoute {
  onRequest: (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void
  handler: (request: FastifyRequest, reply: FastifyReply) => void
}

/** A forwarded prefix, and the operations under it where its document is known. */
export interface ForwardedPrefix extends ForwardedRoute {
  operation(documented: DocumentedOperation): ForwardedRoute
  /** What no operation answers; `refuse` throws. */
  refused(refuse: (request: FastifyRequest) => never): ForwardedRoute
}

export interface ForwardOptions {
  /** This node's, ms, for the windows of limits. */
  clock?: () => number
}

async function forward(app: FastifyInstance, { clock = Date.now }: ForwardOptions): Promise<void> {
  const upstreams = new Upstreams(
    ({ prefix }, { origin }, outMs) =>
      app.log.warn({ prefix, origin, outMs }, 'an instance failed too often and is left alone'),
    (code) => app.outages.noteLack(code),
  )
  const healthChecks = new HealthChecks(upstreams, ({ prefix }, { origin, isSick }) =>
    app.log.warn({ prefix, origin, isSick }, isSick ? 'an instance is not well' : 'an instance is well again'),
  )
  const policyLookup = new PolicyLookup()
  const meters: RouteMeter[] = []
  app.decorate('routeMeters', meters)
  app.decorateRequest('limitFields', null)
  app.decorateRequest('websocketUpgrade', null)
  app.decorate('policyLookup', policyLookup)
  app.decorate('forward', (route: CompiledRoute): ForwardedPrefix => {
    upstreams.open(route)
    healthChecks.open(route)
    policyLookup.addRoute(route)
    meters.push(route.meter)
    const rateLimit = useLimitOf(app, route, clock)
    const admitting =
      (documented?: DocumentedOperation): ForwardedRoute['onRequest'] =>
      (request, reply, done) => {
        if (isAllowedPreflight(request, reply)) return void reply.code(204).send()
        if (request.raw.headers.upgrade !== undefined) admitHandshake(app, route, request)
        admit(app, route, request, documented)
        if (rateLimit !== undefined) limitUse(app, rateLimit, request)
        if (documented !== undefined) checkParameters(documented, request)
        leaveContentType(request)
        done()
      }
    return {
      onRequest: admitting(),
      handler: (request, reply) => send(upstreams, route, request, reply),
      operation: (documented) => {
        policyLookup.addOperation(route, documented)
        return {
          onRequest: admitting(documented),
          handler: (request, reply) =>
            sendValidated(documented, request, reply, (body) => send(upstreams, route, request, reply, body)),
        }
      },
      refused: (refuse) => ({ onRequest: admitting(), handler: refuse }),
    }
  })
  app.addHook('preClose', async () => {
    upstreams.closing = true
    endTunnels(upstreams)
  })
  const stopCutting = closeRevokedStreams(app, upstreams)
  app.addHook('onClose', async () => {
    stopCutting()
    healthChecks.close()
    upstreams.close()
  })
}

/**
 * A content type parser that leaves the body where it is. For `'*'`, in the scope of forwarded routes.
 * @param done is called at once
 */
export function leaveBody(_request: FastifyRequest, _body: unknown, done: (error: Error | null) => void): void {
  done(null)
}

// What a Content-Type means, and whether it means anything, is between the client and the service: Fastify refuses some before
// it asks any parser. The service gets the field as it was received.
function leaveContentType({ raw }: FastifyRequest): void {
  if (raw.headers['content-type'] !== undefined) delete raw.headers['content-type']
}

// A browser asks before it sends an Authorization field, and so without one: where the gateway's CORS rules (@fastify/cors)
// know the origin, their fields are the response. Any other OPTIONS is a request like all others.
function isAllowedPreflight({ method, headers }: FastifyRequest, reply: FastifyReply): boolean {
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false
  return reply.getHeader('access-control-allow-origin') !== undefined
}

// Everything that refuses without reading the body, cheapest first.
function admit(
  app: FastifyInstance,
  route: CompiledRoute,
  request: FastifyRequest,
  documented: DocumentedOperation | undefined,
): void {
  const target = request.raw.url ?? ''
  // The router decodes, we do not: whatever they could disagree about was refused by the request guard, and is again here.
  if (!coversTarget(route.prefix, target)) throw problem('path_not_canonical', { detail: 'route_mismatch' })
  if (route.prefix === '/' && isReserved(target)) throw problem('not_found', { detail: 'reserved_path' })
  if (app.policyLookup.isAmbiguous(route, target, request.method)) {
    throw problem('path_not_canonical', { detail: 'path_ambiguous' })
  }
  // A page cannot set this field, nor fetch the script of a service worker without it.
  if (!route.serviceWorker && request.headers['service-worker'] !== undefined) {
    throw problem('service_worker_refused', { detail: 'service_worker' })
  }
  // By a handshake a page gets a connection both ways, and nobody navigates with one.
  const credential = request.websocketUpgrade === null ? route.credential : { ...route.credential, isRead: false }
  // Fastify declares this route for these methods and no others.
  if (documented === undefined) app.authorize(request, route.policies[request.method as ForwardedMethod], credential)
  else for (const policy of documented.operation.parts.policies) app.authorize(request, policy, credential)
  const declaredBytes = request.headers['content-length']
  if (declaredBytes !== undefined && Number(declaredBytes) > route.bodyLimitBytes) {
    throw problem('body_too_large', { detail: 'body_limit' })
  }
}

// One for a route: its operations share it.
function useLimitOf(
  app: FastifyInstance,
  { prefix, rateLimit }: CompiledRoute,
  clock: () => number,
): RateLimit | undefined {
  if (rateLimit === undefined) return undefined
  const onStore = (isAway: boolean) =>
    app.log.warn({ prefix }, isAway ? 'limits are counted by this node alone' : 'limits are counted together again')
  return new RateLimit({ ...rateLimit, name: prefix, store: app.store.attempts, clock, onStore })
}

function limitUse(app: FastifyInstance, limit: RateLimit, request: FastifyRequest): void {
  const { access } = request
  const use = limit.take(callerOf(request))
  const fields = limit.fieldsOf(use)
  if (use.granted) {
    request.limitFields = fields
    return
  }
  app.audit.record(request, { reason: 'route_limited', granted: false, sub: access?.sub, sid: access?.sid })
  const [policyName = '', policy = '', name = '', value = ''] = fields
  const headers = { 'retry-after': String(use.resetSeconds), [policyName]: policy, [name]: value }
  throw problem('too_many_requests', { detail: 'route_limited', headers })
}

function send(
  upstreams: Upstreams,
  route: CompiledRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  body?: Buffer,
): void {
  const place = takePlace(
    route,
    request.websocketUpgrade === null ? 'requests' : 'streams',
    callerOf(request),
    upstreams.now(),
  )
  try {
    begin(upstreams, route, place, { request, reply, body })
  } catch (error) {
    place.release()
    throw error
  }
}

function begin(
  upstreams: Upstreams,
  route: CompiledRoute,
  place: ExchangePlace,
  { request, reply, body }: { request: FastifyRequest; reply: FastifyReply; body: Buffer | undefined },
): void {
  const { raw } = request
  const path = upstreamTarget(route, raw.url ?? '')
  const fields = fieldsFor(route, request, place.instance)
  if (request.websocketUpgrade !== null) {
    openTunnel(upstreams, route, place, { request, reply, path, fields })
    return
  }
  const allowOrigin = reply.getHeader('access-control-allow-origin')
  const exchange = new Exchange(
    {
      upstreams,
      route,
      place,
      request: raw,
      response: reply.raw,
      reply: reply,
      requestId: request.id,
      body,
      access: request.access,
      limitFields: request.limitFields,
      allowOrigin: typeof allowOrigin === 'string' ? allowOrigin : undefined,
    },
    body === undefined && hasBody(request),
  )
  exchange.start(path, fields)
}

/** Whose limit and whose share a request counts for. */
function callerOf({ access, clientAddress }: FastifyRequest): string {
  return access === null ? `address ${networkOf(clientAddress)}` : `subject ${access.sub}`
}

function fieldsFor(route: CompiledRoute, request: FastifyRequest, instance: Instance): string[] {
  const { raw, access } = request
  const fields = requestFields(route, raw.rawHeaders, raw.headers.connection, originOf(request, instance))
  if (raw.headers.te !== undefined && takesTrailers(raw)) fields.push('te', 'trailers', 'connection', 'te')
  if (route.assertion !== undefined && access !== null) {
    fields.push('x-auth-assertion', request.server.assertions.about(access, route.assertion))
  }
  return fields
}

function originOf(request: FastifyRequest, instance: Instance): Origin {
  const { access } = request
  return {
    host: instance.host,
    addresses: request.clientPath ?? [request.clientAddress],
    protocol: schemeOf(request),
    // One of ours (http-edge/own-hosts.ts). A trusted proxy's X-Forwarded-Host is its client's Host field.
    forwardedHost: request.host,
    requestId: request.id,
    httpVersionMinor: request.raw.httpVersionMinor,
    identity: access,
  }
}

/** Fastify plugin: forwards to services. Needs `authenticate`. */
export default fp(forward, {
  name: 'forward',
  fastify: '5.x',
  dependencies: ['body-memory', 'client-address', 'request-guard', 'authenticate', 'audit'],
  decorators: { fastify: ['authorize', 'browserOrigins', 'tokenStatus', 'audit'], request: ['access'] },
})
