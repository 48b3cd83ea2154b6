// The connections to one service: kept while they are idle and the service keeps them, as many as there are requests at once.
// A request never waits for another one's connection.
import { DenseSet } from '../../collections/dense-set.ts'
import { type Call, CallFailure, type OutgoingRequest } from './call.ts'
import { Connection, type ConnectionKeeper } from './connection.ts'
import { Connector, type ServiceAddress } from './connector.ts'

/** How long an idle connection is kept where the service does not say, ms: less than the 5 s after which many close it. */
const keepIdleMs = 4000
/** A request that leaves just when the service closes is lost, so its word is not used to the full, ms. */
const marginMs = 1000
const maxIdleMs = 600_000
const sweepMs = 1000

export class Pool implements ConnectionKeeper {
  readonly #address: ServiceAddress
  readonly #connector: Connector
  readonly #open = new DenseSet<Connection>()
  /** The one used last is taken first, so that those too many grow old. */
  #idle: Connection[] = []
  readonly #sweeper: NodeJS.Timeout
  #isDestroyed = false

  constructor(address: ServiceAddress) {
    this.#address = address
    this.#connector = new Connector(address)
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref()
  }

  /** Sends a request, on an idle connection if there is one that serves. */
  send(request: OutgoingRequest, call: Call): void {
    // Only a new one can be handed on as a stream.
    const connection = call.onSwitch === undefined ? this.#takeIdle() : undefined
    if (connection === undefined) this.sendAnew(request, call)
    else connection.send(request, call)
  }

  /** Sends a request on a connection that nothing was sent on before. */
  sendAnew(request: OutgoingRequest, call: Call): void {
    if (this.#isDestroyed) {
      call.onFailure(new CallFailure('unsent', 'gateway_closes'))
      return
    }
    const connection = new Connection(this, this.#address.responseHeadBytes)
    const asStream = call.onSwitch !== undefined
    const { socket, readyEvent } = this.#connector.connect(connection, asStream)
    this.#open.add(connection)
    connection.open(socket, readyEvent, this.#address.connectMs, request, call)
  }

  /** Ends every connection; requests on them fail. */
  destroy(): void {
    this.#isDestroyed = true
    clearInterval(this.#sweeper)
    this.#idle = []
    for (const connection of this.#open) connection.destroy()
  }

  onIdle(connection: Connection): void {
    connection.idleSinceMs = performance.now()
    connection.isReused = true
    if (this.#isDestroyed || !this.#isFresh(connection, connection.idleSinceMs)) connection.destroy()
    else this.#idle.push(connection)
  }

  onGone(connection: Connection): void {
    this.#open.delete(connection)
  }

  #takeIdle(): Connection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isClosed) continue
      if (this.#isFresh(connection, performance.now())) return connection
      connection.destroy()
    }
    return undefined
  }

  #sweep(): void {
    const nowMs = performance.now()
    const kept: Connection[] = []
    for (const connection of this.#idle) {
      if (connection.isClosed) continue
      if (this.#isFresh(connection, nowMs)) kept.push(connection)
      else connection.destroy()
    }
    this.#idle = kept
  }

  #isFresh({ openedMs, idleSinceMs, keepAliveSeconds }: Connection, nowMs: number): boolean {
    if (nowMs - openedMs >= this.#address.maxAgeMs) return false
    const keptMs = keepAliveSeconds === -1 ? keepIdleMs : Math.min(keepAliveSeconds * 1000 - marginMs, maxIdleMs)
    return nowMs - idleSinceMs < keptMs
  }
}
