// The rules that every raw request meets first: framing, Host, target, method, limits; and the options of Node's HTTP server
// that make them complete. It checks what Node's parser let through and repairs nothing; a connection whose framing is in
// doubt is closed.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { overShare } from '../clients/connection-shares.ts'
import { Problem, problem, toProblem, writeProblem } from '../errors/index.ts'
import type { Outages } from '../errors/outages.ts'
import {
  type ConnectionError,
  type ConnectionRefusalOptions,
  refuseConnection,
  refuseTunnel,
} from './connection-refusal.ts'
import { ended } from './ended-connections.ts'
import { serveHalfClosed } from './half-closed.ts'
import { lingerAfterLast } from './lingering-close.ts'
import { endArrivalsAtStop, keepProbing, longRunning } from './long-requests.ts'
import { bytesBeingParsed } from './node-internals.ts'
import type { OwnHosts } from './own-hosts.ts'
import { inTurn } from './pipelining.ts'
import { checkFields, isHost, unframed } from './request-headers.ts'
import { checkTarget } from './request-target.ts'
import { hearErrors } from './socket-errors.ts'
import { endUnlessWhole, isOffer } from './upgrade-offers.ts'
import { acceptHandshakes, handshakeOf } from './websocket-handshake.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The handler streams the request body itself, and sends 100 Continue when it begins to read. */
    streamsBody?: boolean
    /**
     * Answers whatever the Host, and requests of HTTP/1.0 without one: it is asked by machines that know addresses only, or checks the
     * host itself.
     */
    anyHost?: boolean
    /** Takes slashes that are escaped (`%2F`) as a part of a segment, and lets no policy be split by them. */
    encodedSlashes?: boolean
  }
}

export { OwnHosts } from './own-hosts.ts'

/** Limits of every request; in the config file under `limits`. */
export interface RequestLimits {
  /** Request line and header fields together. */
  headerBytes: number
  headerCount: number
  targetBytes: number
  /** Of bodies to our own routes; forwarded routes have their own limit. */
  bodyBytes: number
  headersTimeoutMs: number
  keepAliveTimeoutMs: number
  /** For a whole request to arrive; a body that is being forwarded has an idle limit instead. */
  requestTimeoutMs: number
}

/**
 * Options to spread into `Fastify({ … })`.
 * @param limits all positive
 */
export function serverOptions(limits: RequestLimits) {
  return {
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    // A socket on which nothing moves at all, in either direction, such as a reader that stopped reading.
    connectionTimeout: limits.requestTimeoutMs,
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      // Here too: Fastify sets it later, and Node measures the line above by the five minutes it would take by itself.
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs),
      insecureHTTPParser: false,
      // The plugin asks for exactly one, in every version of HTTP/1, and answers with a problem.
      requireHostHeader: false,
      joinDuplicateHeaders: false,
    },
    routerOptions: {
      // What is too long is said once, by the limit on targets.
      maxParamLength: limits.targetBytes,
      ignoreDuplicateSlashes: false,
      ignoreTrailingSlash: false,
      caseSensitive: true,
      useSemicolonDelimiter: false,
    },
    // While the gateway stops, requests on open connections are still answered; each response closes its connection.
    return503OnClosing: false,
    forceCloseConnections: 'idle' as const,
    onProtoPoisoning: 'error' as const,
    onConstructorPoisoning: 'error' as const,
    // Fastify calls it as a method of the app.
    clientErrorHandler(this: FastifyInstance, error: ConnectionError, socket: Socket): void {
      onClientError(this, limits, error, socket)
    },
    frameworkErrors: refuseUnrouted,
  }
}

export interface RequestGuardOptions {
  /** Bytes, counts and times, as `serverOptions` takes them. */
  limits: RequestLimits
  /** The hosts that we answer for. */
  hosts: OwnHosts
}

async function requestGuard(app: FastifyInstance, { limits, hosts }: RequestGuardOptions): Promise<void> {
  guardServer(app.server, app.outages, refusing(app))
  serveHalfClosed(app.server)
  acceptHandshakes(app, app.server)
  endArrivalsAtStop(app)
  app.addHook('onRequest', (request, reply, done) => guardRequest(limits, hosts, request, reply, done))
  app.addHook('onSend', closeIfUnread)
  app.addHook('onRoute', continueBeforeBody)
}

function guardRequest(
  limits: RequestLimits,
  hosts: OwnHosts,
  request: FastifyRequest,
  reply: FastifyReply,
  done: HookHandlerDoneFunction,
): void {
  inTurn(request.raw, reply.raw, () => {
    let refusal: Error | undefined
    try {
      checkRequest(limits, request, reply)
      checkHost(hosts, request)
    } catch (error) {
      refusal = error instanceof Error ? error : new Error(String(error))
      // Its response says that the connection ends.
      if (error instanceof Problem && error.headers['connection'] === 'close') ended.add(request.raw.socket)
    }
    if (refusal === undefined) done()
    else done(refusal)
  })
}

function checkRequest(limits: RequestLimits, request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request
  // RFC 9112 section 9.6: what comes behind the last request MUST NOT be processed. It may be the body of one that was refused.
  if (ended.has(raw.socket)) throw unframed('after_end')
  if (isOfOtherProtocol(raw)) throw unframed('protocol')
  endUnlessWhole(raw, reply.raw)
  const config = request.routeOptions.config ?? {}
  const fields = checkFields(raw, limits.headerCount, config.anyHost === true)
  const target = raw.url ?? ''
  if (target.length > limits.targetBytes) throw problem('target_too_long')
  // Of a method that some route names, every route decides by itself.
  if (request.is404 && !methods.has(request.method)) throw problem('method_not_implemented')
  if (fields.host !== undefined && !isHost(fields.host)) throw unframed('host_malformed')
  const result = checkTarget(target, fields.host ?? '')
  if (result.outcome === 'refused') throw problem('path_not_canonical', { detail: result.detail })
  if (result.outcome === 'slashed' && config.encodedSlashes !== true) {
    throw problem('path_not_canonical', { detail: 'path_escaped_separator' })
  }
  // From here on the target has origin-form and no needless escape, however it came. The router decodes, so it has matched the same.
  if (result.target !== target) raw.url = result.target
  if (fields.expectation !== undefined) checkExpectation(raw, fields.expectation)
  if (fields.upgrade !== undefined) checkUpgrade(request, fields.upgrade)
}

// RFC 9112 section 2.3. Node's parser takes `RTSP/1.0` and `RTSP/1.1` for HTTP of that number with the methods that both have, and
// gives only the number on. Bytes are copied to be looked at, so it is done for what is rare: HTTP/1.0, and what has a CSeq, as each
// message of RTSP has (RFC 7826 section 18.20). Of a line that came in parts they show nothing more: then CSeq decides.
function isOfOtherProtocol({ socket, method, url, headers, httpVersionMinor }: IncomingMessage): boolean {
  const line = `${method} ${url} `
  if (headers['cseq'] !== undefined) return !bytesBeingParsed(socket).includes(`${line}HTTP/1.`, 0, 'latin1')
  return httpVersionMinor === 0 && bytesBeingParsed(socket).includes(`${line}RTSP/`, 0, 'latin1')
}

// RFC 9110 section 7.4: a server should refuse what was not meant for it. What a trusted proxy says in X-Forwarded-Host is its
// client's Host field, and is checked in its place.
function checkHost(hosts: OwnHosts, request: FastifyRequest): void {
  if (hosts.has(request.host) || request.routeOptions.config?.anyHost === true) return
  throw problem('misdirected_request', { detail: 'host_unknown' })
}

function checkExpectation(raw: IncomingMessage, expectation: string): void {
  if (expectation.toLowerCase() !== '100-continue') throw problem('expectation_failed')
  // RFC 9110 section 10.1.1: in HTTP/1.0 it MUST be ignored; such a client would take 100 for its response.
  if (raw.httpVersionMinor === 0) delete raw.headers.expect
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

// Whoever asks for another protocol, and does not only offer it, cannot go on without it.
function checkUpgrade(request: FastifyRequest, protocols: string): void {
  if (isOffer(protocols)) return
  // A forwarded route decides by itself whether it takes WebSockets.
  const isForwarded = request.routeOptions.config?.streamsBody === true
  if (!isForwarded || handshakeOf(request.raw) === undefined) throw problem('upgrade_refused')
}

// A refused or early response leaves a body unread. The connection ends with it: reading on would be work for a stranger, and
// a client that was never told to continue may send its next request instead of the body.
function closeIfUnread(request: FastifyRequest, reply: FastifyReply, payload: unknown, done: SendDone): void {
  const { raw } = request
  if (!raw.complete) {
    if (hasUnreadBody(raw)) reply.header('connection', 'close')
    if (!reply.raw.shouldKeepAlive || reply.getHeader('connection') === 'close') lingerAfterLast(raw.socket)
  }
  done(null, payload)
}

type SendDone = (error: Error | null, payload?: unknown) => void

const smallBodyBytes = 16_384

// A short body has arrived or will at once; Node reads it off the connection, within the limit for a whole request.
function hasUnreadBody({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined || headers.expect !== undefined) return true
  const length = headers['content-length']
  return length !== undefined && Number(length) > smallBodyBytes
}

// Own routes: the policy has passed when the body is about to be read, so this is when a waiting client is told to go on.
function continueBeforeBody(route: RouteOptions): void {
  if (route.config?.streamsBody === true) return
  const hooks = route.preParsing === undefined ? [] : [route.preParsing].flat()
  route.preParsing = [...hooks, sendContinue]
}

function sendContinue(
  request: FastifyRequest,
  reply: FastifyReply,
  _payload: unknown,
  done: (error: null) => void,
): void {
  if (request.raw.headers.expect !== undefined) reply.raw.writeContinue()
  done(null)
}

function guardServer(server: Server, outages: Outages, refusal: ConnectionRefusalOptions): void {
  // 0: Node drops fields beyond its count without a word; ours refuses, and `maxHeaderSize` bounds the number.
  server.maxHeadersCount = 0
  // Without these, Node answers by itself: 100 before any policy was asked, 417 with no body, and a bare end.
  const serve = (request: IncomingMessage, response: ServerResponse) => server.emit('request', request, response)
  server.on('checkContinue', serve)
  server.on('checkExpectation', serve)
  server.on('connection', hearErrors).on('connection', keepProbing)
  // Where a connection could not be accepted, and where one was turned away.
  server.on('error', ({ code }: Error & { code?: string }) => outages.noteLack(code ?? ''))
  server.on('drop', (dropped) => outages.noteLack(dropped === overShare ? 'share' : 'connections'))
  server.on('connect', (_request: IncomingMessage, socket: Socket) => refuseTunnel(socket, refusal))
  server.on('timeout', (socket: Socket) => {
    if (!longRunning.has(socket)) socket.destroy()
  })
}

// What Node's parser or its clocks refuse: there is no request, only a connection.
function onClientError(
  app: FastifyInstance,
  { targetBytes }: RequestLimits,
  error: ConnectionError,
  socket: Socket,
): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && longRunning.has(socket)) return
  const fieldsFor = (origin: string | undefined) => app.crossOrigin?.fieldsFor(origin) ?? {}
  refuseConnection(error, socket, { ...refusing(app), targetBytes, fieldsFor })
}

function refusing({ log, refusals }: FastifyInstance): ConnectionRefusalOptions {
  return { log, onRefused: (request, refusal) => refusals.tell(request, refusal) }
}

// What the router refuses before any hook has run: escapes that decode to nothing. Nobody has looked at the framing either.
function refuseUnrouted(error: Error & { code?: string }, request: FastifyRequest, reply: FastifyReply): void {
  ended.add(request.raw.socket)
  reply.header('connection', 'close')
  reply.headers(request.server.crossOrigin?.fieldsFor(request.headers.origin) ?? {})
  const unrouted =
    error.code === 'FST_ERR_BAD_URL' ? problem('path_not_canonical', { detail: 'path_bad_escape' }) : toProblem(error)
  writeProblem(unrouted, request, reply)
}

/** Fastify plugin: the rules for raw requests. Registered right after `errors`, before anything that has hooks. */
export default fp(requestGuard, { name: 'request-guard', fastify: '5.x', dependencies: ['errors'] })
