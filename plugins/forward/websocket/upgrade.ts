// The upgrade of a request to a WebSocket: which handshakes it lets in, and how one becomes a tunnel. Every other request
// passes by. A handshake meets the same policy, audience and limits as a request.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isAllowedOrigin } from '../../browser/origin.ts'
import { problem } from '../../errors/index.ts'
import { longRunning } from '../../http-edge/long-requests.ts'
import { type Handshake, handshakeOf } from '../../http-edge/websocket-handshake.ts'
import type { CompiledRoute } from '../route/compile.ts'
import type { ExchangePlace } from '../route/places.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { checkHandshake, handshakeFields, type Offer } from './handshake.ts'
import { Tunnel } from './tunnel.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The handshake that this request is, and the subprotocols it offers. */
    websocketUpgrade: { handshake: Handshake; offer: Offer } | null
  }
}

/**
 * Judges a request that asks for another protocol; before anything looks at its credentials.
 * @throws Problem `upgrade_refused`, `origin_refused`, `invalid_request`
 */
export function admitHandshake(app: FastifyInstance, route: CompiledRoute, request: FastifyRequest): void {
  const handshake = handshakeOf(request.raw)
  // An offer of HTTP/2 that the guard let pass: the response is in HTTP/1.1.
  if (handshake === undefined) return
  if (!route.websocket) throw problem('upgrade_refused', { detail: 'no_websocket_here' })
  // No page is kept from opening a WebSocket by CORS, and cookies of the service go with it (cross-site WebSocket hijacking).
  if (request.headers.origin !== undefined && !isAllowedOrigin(request, app.browserOrigins)) {
    app.audit.record(request, { reason: 'origin_refused', granted: false, detail: 'websocket' })
    throw problem('origin_refused', { detail: 'websocket_origin' })
  }
  request.websocketUpgrade = { handshake, offer: checkHandshake(request.raw) }
}

/**
 * Opens the tunnel of an admitted handshake.
 * @param fields of the request to the service, names and values in turn
 */
export function openTunnel(
  upstreams: Upstreams,
  route: CompiledRoute,
  place: ExchangePlace,
  { request, reply, path, fields }: { request: FastifyRequest; reply: FastifyReply; path: string; fields: string[] },
): void {
  const { websocketUpgrade, raw, id, access, limitFields } = request
  if (websocketUpgrade === null) throw problem('upgrade_refused')
  // It would hold the gateway open: those under way were ended when the stop began.
  if (upstreams.closing) throw problem('overloaded', { detail: 'gateway_stops' })
  const { handshake, offer } = websocketUpgrade
  const { socket } = handshake
  // From here on the tunnel keeps the time.
  socket.setTimeout(0)
  longRunning.begin(socket)
  const tunnel = new Tunnel({
    upstreams,
    route,
    place,
    request: raw,
    handshake,
    offer,
    reply: reply,
    requestId: id,
    access,
    limitFields,
    onFinished: (hadSwitched) => {
      longRunning.end(socket)
      // Its response was taken off the connection and never closes; the span and the line are as long as the tunnel.
      if (!hadSwitched) return
      request.span?.end(101)
      request.accessLine?.end(101, true)
    },
  })
  tunnel.start(path, handshakeFields(fields, offer))
}

/** Ends every tunnel: the gateway stops, and their clients connect again elsewhere. */
export function endTunnels(upstreams: Upstreams): void {
  for (const one of [...upstreams.underWay]) if (one instanceof Tunnel) one.stop()
}
