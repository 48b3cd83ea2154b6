// The forwarder of one route. It admits a request (path, policy, declared length, limits) before a byte of its body is read, and
// then forwards it. It never picks a host from a request, and never responds for a path that is the gateway's own.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { peerOf, unknown } from '../clients/address.ts'
import { networkOf } from '../clients/network.ts'
import { schemeOf } from '../clients/scheme.ts'
import { type Problem, problem } from '../errors/index.ts'
import { phraseOf } from '../errors/refusals.ts'
import { destinationOf, hasDestination, replaceDestination } from './destination.ts'
import { Exchange, type ExchangeOptions } from './exchange.ts'
import { type Continued, forwardedOn, readContinued } from './headers/continued.ts'
import { requestFields } from './headers/forwarded.ts'
import { takesTrailers } from './headers/hints-and-trailers.ts'
import type { DocumentedOperation } from './openapi/compile.ts'
import { checkParameters, hasBody } from './openapi/validate-request.ts'
import { type CompiledRoute, coversTarget, isReserved, upstreamTarget } from './route/compile.ts'
import { takePlace } from './route/places.ts'
import { type MethodPolicies, policyOf } from './route/policies.ts'
import type { PolicyConfig } from './route/policy-schema.ts'
import { RateLimit } from './route/rate-limit.ts'
import type { Upstreams } from './upstream/upstreams.ts'
import { admitHandshake, openTunnel } from './websocket/upgrade.ts'

export class Forwarder {
  readonly #app: FastifyInstance
  readonly #upstreams: Upstreams
  readonly #route: CompiledRoute
  /** One for the route: its operations share it. */
  readonly #rateLimit: RateLimit | undefined
  readonly #onBroken: ExchangeOptions['onBroken']

  /** @param clock this node's, ms, for the windows of a limit */
  constructor(app: FastifyInstance, upstreams: Upstreams, route: CompiledRoute, clock: () => number) {
    this.#app = app
    this.#upstreams = upstreams
    this.#route = route
    // Boundary: the exchange was given Fastify's reply, below.
    this.#onBroken = (reply, failure) => recordBroken((reply as FastifyReply).request, failure)
    const { prefix, rateLimit } = route
    if (rateLimit === undefined) return
    const onStore = (isAway: boolean) =>
      app.log.warn({ prefix }, isAway ? 'limits are counted by this node alone' : 'limits are counted together again')
    this.#rateLimit = new RateLimit({ ...rateLimit, name: prefix, store: app.store.attempts, clock, onStore })
  }

  /**
   * Does everything that refuses a request without reading its body, cheapest first.
   * @param documented the operation that it is for, where the document of the service is known
   * @returns false when it has its response already
   * @throws Problem
   */
  admit(request: FastifyRequest, reply: FastifyReply, documented: DocumentedOperation | undefined): boolean {
    const { raw, headers } = request
    if (isAllowedPreflight(request, reply)) {
      reply.code(204).send()
      return false
    }
    if (headers.upgrade !== undefined) admitHandshake(this.#app, this.#route, request)
    this.#checkPath(request)
    // A page cannot set this field, nor fetch the script of a service worker without it.
    if (!this.#route.serviceWorker && headers['service-worker'] !== undefined) {
      throw problem('service_worker_refused', { detail: 'service_worker' })
    }
    this.#authorize(request, documented)
    const declaredBytes = headers['content-length']
    if (declaredBytes !== undefined && Number(declaredBytes) > this.#route.bodyLimitBytes) {
      throw problem('body_too_large', { detail: 'body_limit' })
    }
    if (this.#rateLimit !== undefined) this.#countUse(request, this.#rateLimit)
    if (documented !== undefined) checkParameters(documented, request)
    // What a Content-Type means, and whether it means anything, is between the client and the service: Fastify refuses some
    // before it asks any parser. The service gets the field as it was received.
    if (raw.headers['content-type'] !== undefined) delete raw.headers['content-type']
    return true
  }

  /**
   * Sends an admitted request to the service, whose response becomes the client's.
   * @param body the whole body, where it was read
   * @throws Problem where no instance has a place for it
   */
  forward(request: FastifyRequest, reply: FastifyReply, body?: Buffer): void {
    const { raw, websocketUpgrade } = request
    const upstreams = this.#upstreams
    const route = this.#route
    const kind = websocketUpgrade === null ? 'requests' : 'streams'
    const place = takePlace(route, kind, callerOf(request), upstreams.now())
    request.place = place
    try {
      const path = upstreamTarget(route, raw.url ?? '')
      const fields = this.#fieldsFor(request, place.instance.host)
      request.span?.beginCall(fields, place)
      if (websocketUpgrade !== null) {
        openTunnel(upstreams, route, place, { request, reply, path, fields })
        return
      }
      const allowOrigin = reply.getHeader('access-control-allow-origin')
      const options = {
        upstreams,
        route,
        place,
        request: raw,
        response: reply.raw,
        reply,
        requestId: request.id,
        body: body ?? (hasBody(request) ? ('unread' as const) : null),
        access: request.access,
        limitFields: request.limitFields,
        onBroken: this.#onBroken,
        allowOrigin: typeof allowOrigin === 'string' ? allowOrigin : undefined,
      }
      new Exchange(options, path, fields).start()
    } catch (error) {
      place.release()
      throw error
    }
  }

  // The router decodes, we do not: whatever they could disagree about was refused by the request guard, and is again here.
  #checkPath({ raw, method }: FastifyRequest): void {
    const target = raw.url ?? ''
    const route = this.#route
    if (!coversTarget(route.prefix, target)) throw problem('path_not_canonical', { detail: 'route_mismatch' })
    if (route.prefix === '/' && isReserved(target)) throw problem('not_found', { detail: 'reserved_path' })
    if (this.#app.policyLookup.isAmbiguous(route, target, method)) {
      throw problem('path_not_canonical', { detail: 'path_ambiguous' })
    }
  }

  #authorize(request: FastifyRequest, documented: DocumentedOperation | undefined): void {
    const { credential, policies } = this.#route
    // By a handshake a page gets a connection both ways, and nobody navigates with one.
    const accepted = request.websocketUpgrade === null ? credential : { ...credential, isRead: false }
    if (documented === undefined) this.#app.authorize(request, policyFor(policies, request.method), accepted)
    else for (const policy of documented.operation.parts.policies) this.#app.authorize(request, policy, accepted)
  }

  #continuedOf(request: FastifyRequest): Continued | undefined {
    const { continues } = this.#route
    if (continues.length === 0 || !this.#app.isTrustedPeer(request)) return undefined
    const { headers, socket } = request.raw
    const continued = readContinued(continues, headers)
    const [peer = unknown] = peerOf(socket)
    const here = { peer, host: headers.host ?? '', protocol: 'encrypted' in socket ? 'https' : 'http' }
    if (continued.forwarded !== undefined) continued.forwarded = forwardedOn(continued.forwarded, here)
    return continued
  }

  #destinationOf({ method, raw }: FastifyRequest): string | undefined {
    const { policyLookup, browserOrigins } = this.#app
    return destinationOf(method, raw.rawHeaders, { policyLookup, hosts: browserOrigins.hosts, route: this.#route })
  }

  #countUse(request: FastifyRequest, limit: RateLimit): void {
    const { access } = request
    const use = limit.take(callerOf(request))
    const fields = limit.fieldsOf(use)
    if (use.granted) {
      request.limitFields = fields
      return
    }
    this.#app.audit.record(request, { reason: 'route_limited', granted: false, sub: access?.sub, sid: access?.sid })
    const [policyName = '', policy = '', name = '', value = ''] = fields
    const headers = { 'retry-after': String(use.resetSeconds), [policyName]: policy, [name]: value }
    throw problem('too_many_requests', { detail: 'route_limited', headers })
  }

  #fieldsFor(request: FastifyRequest, host: string): string[] {
    const { raw, access } = request
    const fields = requestFields(this.#route, raw.rawHeaders, raw.headers.connection, {
      host: this.#route.host === 'pass' ? request.host : host,
      addresses: request.clientPath ?? [request.clientAddress],
      protocol: schemeOf(request),
      // One of ours (http-edge/own-hosts.ts). A trusted proxy's X-Forwarded-Host is its client's Host field.
      forwardedHost: request.host,
      requestId: request.id,
      httpVersionMinor: raw.httpVersionMinor,
      identity: access,
      continued: this.#continuedOf(request),
    })
    if (raw.headers.te !== undefined && takesTrailers(raw)) fields.push('te', 'trailers', 'connection', 'te')
    if (hasDestination(request.method)) replaceDestination(fields, this.#destinationOf(request))
    const { assertion } = this.#route
    if (assertion !== undefined && access !== null) {
      fields.push('x-auth-assertion', this.#app.assertions.about(access, assertion))
    }
    return fields
  }
}

// A browser asks before it sends an Authorization field, and so without one: where the gateway's CORS rules (@fastify/cors)
// know the origin, their fields are the response. Any other OPTIONS is a request like all others.
function isAllowedPreflight({ method, headers }: FastifyRequest, reply: FastifyReply): boolean {
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false
  return reply.getHeader('access-control-allow-origin') !== undefined
}

// Every route is declared for each method that any route takes; see methodsOf.
function policyFor(policies: MethodPolicies, method: string): PolicyConfig {
  const policy = policyOf(policies, method)
  if (policy !== undefined) return policy
  throw problem('method_not_allowed', { headers: { allow: Object.keys(policies).sort().join(', ') } })
}

// What its session or access token ends is told by those who end it (revoked-streams.ts).
function recordBroken(request: FastifyRequest, failure: Problem): void {
  if (failure.code === 'invalid_token') return
  const { sub, sid } = request.access ?? {}
  const event = { granted: false, detail: phraseOf(failure), instance: failure.at?.origin, sub, sid }
  request.server.audit.record(request, { reason: 'response_broken', ...event })
}

/** Whose limit and whose share a request counts for. */
function callerOf({ access, clientAddress }: FastifyRequest): string {
  return access === null ? `address ${networkOf(clientAddress)}` : `subject ${access.sub}`
}
