// WebSocket handshakes (RFC 6455 section 4): told apart from all other requests before Node's parser lets go of a connection,
// and sent through the same hooks and routes. Any other upgrade stays a plain request, which the guard checks; behind a
// handshake nothing is ever read as a request.
import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { hasOpenResponse } from './connection-refusal.ts'
import { endLingering } from './lingering-close.ts'
import { setUpgradeRule } from './node-internals.ts'
import { hearErrors } from './socket-errors.ts'

/** What a route takes over when it switches protocols. */
export interface Handshake {
  socket: Socket
  /** What the client sent behind its handshake. */
  head: Buffer
  /** The response that would refuse: to be detached from the connection first. */
  response: ServerResponse
}

const handshakes = new WeakMap<IncomingMessage, Handshake>()

/** The handshake that a request is; undefined for every other request. */
export function handshakeOf(request: IncomingMessage): Handshake | undefined {
  return handshakes.get(request)
}

/** Lets handshakes in. @param server of the app */
export function acceptHandshakes(app: FastifyInstance, server: Server): void {
  setUpgradeRule(server, isHandshake)
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Where a body comes with the handshake it is not the connection itself, but something around it.
    hearErrors(socket)
    // A pipelined handshake would come in between responses that are still owed.
    if (hasOpenResponse(socket)) socket.destroy()
    else route(app, request, socket, head)
  })
}

// Exactly one, of exactly this protocol; whatever else is asked for is refused as the plain request it then is.
function isHandshake({ method, httpVersionMinor, rawHeaders, headers }: IncomingMessage): boolean {
  if (method !== 'GET' || httpVersionMinor !== 1 || headers.upgrade?.toLowerCase() !== 'websocket') return false
  const upgrades = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'upgrade')
  return upgrades.length === 1
}

function route(app: FastifyInstance, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    response.detachSocket(socket)
    endLingering(socket)
  })
  handshakes.set(request, { socket, head, response })
  app.routing(request, response)
}
