// The one HTTP server of a process, and the app that answers it now. Apps come and go with reloads; connections stay. A
// request belongs to the app that it met, to its end; no event of the server is lost between two apps.
import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyServerFactory } from 'fastify'
import { ConnectionShares, overShare } from '../../plugins/clients/connection-shares.ts'
import { IdleConnections } from '../../plugins/clients/idle-connections.ts'
import { endVanishedClients } from '../../plugins/clients/vanished.ts'
import { serveHalfClosed } from '../../plugins/http-edge/half-closed.ts'
import { type RequestLimits, serverOptions } from '../../plugins/http-edge/index.ts'
import { setUpgradeRule, upgradeRuleOf } from '../../plugins/http-edge/node-internals.ts'
import { hearErrors } from '../../plugins/http-edge/socket-errors.ts'
import type { Holder } from '../workers/rebalance.ts'

/** What an app sees of the server. */
export interface AppSlot {
  /** For the options of Fastify: its server never listens, and hears what the real one hears while the app serves. */
  serverFactory: FastifyServerFactory
  /** Requests and tunnels that are the app's own. */
  readonly underWay: number
  /** Resolves when the app serves no longer and nothing of it is under way. */
  readonly idle: Promise<void>
}

// What Node does by itself where nobody listens, it goes on doing: an event is passed on only if the app wants it.
const events = [
  'request',
  'connection',
  'checkContinue',
  'checkExpectation',
  'connect',
  'upgrade',
  'clientError',
  'timeout',
  'error',
  'drop',
] as const

export class AppServer implements Holder {
  readonly server: Server
  /** Whether it was listening and the last connection has ended. */
  isOver = false
  readonly #sockets = new Set<Socket>()
  readonly #idle = new IdleConnections()
  readonly #shares = new ConnectionShares((isOfNetwork) => this.#idle.endOldest(isOfNetwork))
  #current: Slot | undefined
  #leaving = 0

  constructor(limits: RequestLimits) {
    const { http, keepAliveTimeout, requestTimeout, connectionTimeout } = serverOptions(limits)
    this.server = createServer({ ...http, keepAliveTimeout, requestTimeout })
    this.server.setTimeout(connectionTimeout)
    // As the request guard sets it on the server it is given: what is too much is refused, not dropped.
    this.server.maxHeadersCount = 0
    serveHalfClosed(this.server)
    // Where none can be accepted it goes on listening.
    hearErrors(this.server)
    this.server.once('close', () => {
      this.isOver = true
    })
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      this.#idle.arrived(socket)
      socket.once('close', () => this.#forget(socket))
      if (this.#sockets.size > this.server.maxConnections - this.#spare) this.#idle.makeRoom()
      if (this.#shares.take(socket)) return
      socket.destroy()
      this.server.emit('drop', overShare)
    })
    endVanishedClients(this.server, this.#sockets)
    // Before any app hears of the request.
    this.server.on('request', (_, response) => this.#closeAfterNextResponseOf(response))
  }

  get connections(): number {
    return this.#sockets.size
  }

  /**
   * Sets who is let in from now on.
   * @param limits.connections places; without a number as many as there can be
   * @param limits.idleConnections how many may be kept between two requests
   * @param trustedProxies addresses and networks that may hold all places
   */
  letIn(
    { connections, idleConnections }: { connections?: number | undefined; idleConnections?: number | undefined },
    trustedProxies: readonly string[],
  ): void {
    this.server.maxConnections = connections ?? Number.POSITIVE_INFINITY
    this.#idle.most = idleConnections ?? Number.POSITIVE_INFINITY
    this.#shares.set(connections, trustedProxies)
  }

  /** Lets so many connections leave from now on, each with its next response. */
  closeAfterNextResponse(count: number): void {
    this.#leaving = count
  }

  /** A side for an app that is about to be built. */
  newSlot(): AppSlot {
    return new Slot(this.#idle)
  }

  /**
   * Hands every request from now on to an app.
   * @param side the one that the app was built with
   */
  serveBy(side: AppSlot): void {
    if (!(side instanceof Slot)) throw new Error('This side was not made here.')
    const before = this.#current
    this.#current = side
    for (const event of events) {
      if (before !== undefined) this.server.off(event, before.relays[event])
      if (side.hears(event)) this.server.on(event, side.relays[event])
    }
    if (side.upgradeRule !== undefined) setUpgradeRule(this.server, side.upgradeRule)
    // Connections stay when apps change.
    for (const socket of this.#sockets) side.relays.connection(socket)
    before?.retire()
  }

  /** Places that idle connections are ended for, so that one is free when the next client comes. */
  get #spare(): number {
    return Math.max(1, Math.min(64, Math.floor(this.server.maxConnections / 16)))
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket)
    this.#idle.delete(socket)
  }

  // Says `Connection: close` unless the app says something else of the connection.
  #closeAfterNextResponseOf(response: ServerResponse): void {
    if (this.#leaving === 0) return
    this.#leaving -= 1
    response.shouldKeepAlive = false
  }
}

type Relay = (...facts: [IncomingMessage | Socket | Error, ...unknown[]]) => void

// Fastify asks for it at start, and calls it only where it listens itself.
class SlotEvents extends EventEmitter {
  closeIdleConnections(): void {}
}

class Slot implements AppSlot {
  readonly #events = new SlotEvents()
  readonly #whenIdle = Promise.withResolvers<void>()
  readonly #connections: IdleConnections
  readonly #onEnd: (this: ServerResponse | Socket) => void
  readonly relays: Readonly<Record<(typeof events)[number], Relay>>
  #isRetired = false
  underWay = 0

  constructor(connections: IdleConnections) {
    this.#connections = connections
    const slot = this
    // One for all: a closure for each request would outlive it.
    this.#onEnd = function () {
      slot.#noteEnd(this)
    }
    const relayOf = (event: string): Relay => {
      if (event === 'request' || event === 'checkContinue' || event === 'checkExpectation') {
        return (request, response) => this.#handOver(event, request, response)
      }
      if (event === 'upgrade' || event === 'connect') {
        return (request, socket, head) => this.#handOver(event, request, socket, head)
      }
      return (...facts) => void this.#events.emit(event, ...facts)
    }
    // Boundary: a record of all names of the list above.
    this.relays = Object.fromEntries(events.map((event) => [event, relayOf(event)])) as typeof this.relays
  }

  get idle(): Promise<void> {
    return this.#whenIdle.promise
  }

  serverFactory: FastifyServerFactory = (handler) => {
    // Fastify's handler hears of requests like every other listener: those that another listener passes on reach it too.
    this.#events.on('request', handler)
    // Boundary: Fastify and its plugins use no more of a server that never listens than its events.
    return this.#events as unknown as Server
  }

  /** Which requests for another protocol reach `upgrade`; what an app has set on its server. */
  get upgradeRule(): ReturnType<typeof upgradeRuleOf> {
    return upgradeRuleOf(this.#events)
  }

  hears(event: string): boolean {
    return this.#events.listenerCount(event) > 0
  }

  retire(): void {
    this.#isRetired = true
    this.#closeUnused()
  }

  // A request is over with its response, a tunnel with its connection: both say `close`.
  #handOver(event: string, request: unknown, end: unknown, ...more: unknown[]): void {
    this.underWay += 1
    // Boundary: the types that node:http documents for these events.
    this.#connections.delete((request as IncomingMessage).socket)
    // Boundary: the same.
    ;(end as ServerResponse | Socket).on('close', this.#onEnd)
    this.#events.emit(event, request, end, ...more)
  }

  #noteEnd(end: ServerResponse | Socket): void {
    this.underWay -= 1
    if ('req' in end) this.#connections.add(end.req.socket)
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (this.#isRetired && this.underWay === 0) this.#whenIdle.resolve()
  }
}
