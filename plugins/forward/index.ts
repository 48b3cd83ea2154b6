// The plugin that forwards: it turns routes of the config into hooks and handlers that src/routes/upstreams.ts declares.
// A request is admitted (path, policy, declared length) before a byte of its body is read, then handed to an Exchange.
// It never picks a host from a request, and never answers for a path that is the gateway's own.
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import fp from 'fastify-plugin'
import { longRunning } from '../connections.ts'
import { problem } from '../errors.ts'
import { Exchange } from './exchange.ts'
import { type Origin, requestFields } from './headers.ts'
import {
  type CompiledRoute,
  coversTarget,
  type ForwardedMethod,
  type Instance,
  isReserved,
  upstreamTarget,
} from './route.ts'
import { Upstreams } from './upstream.ts'

export type { CompiledRoute, PolicyConfig, RouteConfig } from './route.ts'
export { compileRoutes, forwardedMethods, reservedPrefixes, routeMistakes, routeSchema } from './route.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes the hook and the handler of one route, and opens its connections. */
    forward(route: CompiledRoute): ForwardedRoute
  }
}

/** What a Fastify route is declared with. */
export interface ForwardedRoute {
  onRequest: (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void
  handler: (request: FastifyRequest, reply: FastifyReply) => void
}

async function forward(app: FastifyInstance): Promise<void> {
  const upstreams = new Upstreams()
  app.decorate('forward', (route: CompiledRoute): ForwardedRoute => {
    upstreams.open(route)
    return {
      onRequest: (request, reply, done) => {
        if (isAllowedPreflight(request, reply)) return void reply.code(204).send()
        admit(app, route, request)
        leaveContentType(request)
        done()
      },
      handler: (request, reply) => send(upstreams, route, request, reply),
    }
  })
  app.addHook('preClose', async () => {
    upstreams.closing = true
  })
  app.addHook('onClose', () => upstreams.close())
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
// know the origin, their fields are the answer. Any other OPTIONS is a request like all others.
function isAllowedPreflight({ method, headers }: FastifyRequest, reply: FastifyReply): boolean {
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false
  return reply.getHeader('access-control-allow-origin') !== undefined
}

// Everything that refuses without reading the body, cheapest first.
function admit(app: FastifyInstance, route: CompiledRoute, request: FastifyRequest): void {
  const target = request.raw.url ?? ''
  // The router decodes, we do not: whatever they could disagree about was refused by the request guard, and is again here.
  if (!coversTarget(route.prefix, target)) throw problem('path_not_canonical', { reason: 'route_mismatch' })
  if (route.prefix === '/' && isReserved(target)) throw problem('not_found', { reason: 'reserved_path' })
  // Fastify declares this route for these methods and no others.
  app.authorize(request, route.policies[request.method as ForwardedMethod], route.audience)
  const declaredBytes = request.headers['content-length']
  if (declaredBytes !== undefined && Number(declaredBytes) > route.bodyLimitBytes) {
    throw problem('body_too_large', { reason: 'body_limit' })
  }
}

function send(upstreams: Upstreams, route: CompiledRoute, request: FastifyRequest, reply: FastifyReply): void {
  const instance = nextInstance(route)
  const { raw } = request
  const { socket } = raw
  longRunning.begin(socket)
  const allowOrigin = reply.getHeader('access-control-allow-origin')
  const exchange = new Exchange(
    {
      upstreams,
      route,
      instance,
      request: raw,
      response: reply.raw,
      answer: reply,
      requestId: request.id,
      authenticated: request.access !== null,
      allowOrigin: typeof allowOrigin === 'string' ? allowOrigin : undefined,
      onSettled: () => longRunning.end(socket),
    },
    hasBody(request),
  )
  const fields = requestFields(route, raw.rawHeaders, raw.headers.connection, originOf(request, instance))
  exchange.start(upstreamTarget(route, raw.url ?? ''), fields)
}

// Round robin over the instances that have room.
function nextInstance(route: CompiledRoute): Instance {
  const { instances } = route
  for (let tried = 0; tried < instances.length; tried += 1) {
    const instance = instances[route.next % instances.length]
    route.next = (route.next + 1) % instances.length
    if (instance !== undefined && instance.active < route.maxConcurrent) return instance
  }
  throw problem('overloaded', { reason: 'upstream_busy' })
}

function hasBody({ headers }: FastifyRequest): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) > 0)
}

function originOf(request: FastifyRequest, instance: Instance): Origin {
  const { access } = request
  return {
    host: instance.host,
    addresses: addressesOf(request),
    protocol: request.protocol === 'https' ? 'https' : 'http',
    forwardedHost: isHost(request.host) ? request.host : (request.headers.host ?? ''),
    requestId: request.id,
    httpVersionMinor: request.raw.httpVersionMinor,
    identity: access,
  }
}

// Without trusted proxies only the peer is known. With them, Fastify walks the list from the peer outwards and stops at the
// first address that is not trusted: what stands before it is hearsay and ends here.
function addressesOf(request: FastifyRequest): string[] {
  if (request.ips === undefined) return [request.ip]
  return request.ips.map((address) => (isIP(address) === 0 ? 'unknown' : address)).reverse()
}

// A trusted proxy's X-Forwarded-Host is its client's Host field.
function isHost(text: string): boolean {
  return text.length <= 261 && /^[A-Za-z0-9.:_[\]-]+$/.test(text)
}

/** Fastify plugin: forwards to services. Needs `authenticate`. */
export default fp(forward, {
  name: 'forward',
  fastify: '5.x',
  dependencies: ['request-guard', 'authenticate'],
  decorators: { fastify: ['authorize'], request: ['access'] },
})
