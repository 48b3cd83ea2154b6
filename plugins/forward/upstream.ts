// Connections to services: one pool per origin, and the watch over everything that is on its way. Made and closed by index.ts.
// An origin comes from the config file alone; no request ever adds one. No redirect is followed.
import type { Dispatcher } from 'undici'
import { buildConnector, Pool } from 'undici'
import type { AccessClaims } from '../jwt/index.ts'
import { type Listed, Roster } from '../roster.ts'
import { type Failure, noteFailure, noteSuccess } from './balancing.ts'
import type { CompiledRoute, Instance } from './route.ts'

/** Something under way that can run out of time. */
export interface Watched extends Listed {
  /** Ends it if it has. @param nowMs of the same clock as its beginning */
  endIfLate(nowMs: number): void
  /** The access token that let it in; null where none was demanded. */
  readonly access: AccessClaims | null
  /** Whether it is to end when that token expires. */
  readonly endsAtExpiry: boolean
  /** Ends it now. @param reason a word for what closes with it */
  end(reason: string): void
}

/** Told when an instance is taken out, and for how long. */
export type OutListener = (route: CompiledRoute, instance: Instance, outMs: number) => void

/** What a service may send as header fields of one answer; beyond it the answer is not valid. */
const answerHeaderBytes = 32_768
const longestTickMs = 1000
const shortestTickMs = 5

export class Upstreams {
  // Routes share the pool of an origin when they connect to it in the same way.
  readonly #pools = new Map<string, Pool>()
  readonly #poolOf = new Map<Instance, Pool>()
  readonly #onOut: OutListener
  readonly #underWay = new Roster<Watched>()
  #tickMs = longestTickMs
  #timer: NodeJS.Timeout | undefined
  /** Set when the gateway stops: answers then close their connections. */
  closing = false

  constructor(onOut: OutListener) {
    this.#onOut = onOut
  }

  /** Monotonic, ms. */
  now(): number {
    return performance.now()
  }

  /** Opens the pools of a route and watches at the pace that its time limits need. */
  open(route: CompiledRoute): void {
    for (const instance of route.instances) this.#poolOf.set(instance, this.#poolFor(route, instance))
    const shortest = Math.min(route.connectMs, route.headersMs, route.bodyIdleMs)
    const tickMs = Math.max(shortestTickMs, Math.min(this.#tickMs, Math.floor(shortest / 4)))
    if (this.#timer !== undefined && tickMs === this.#tickMs) return
    clearInterval(this.#timer)
    this.#tickMs = tickMs
    this.#timer = setInterval(() => this.#endTheLate(), tickMs).unref()
  }

  /**
   * Sends a request.
   * @param handler is told of exactly one end: `onResponseEnd` or `onResponseError`
   */
  dispatch(
    route: CompiledRoute,
    instance: Instance,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): void {
    const pool = this.#poolOf.get(instance) ?? this.#poolFor(route, instance)
    pool.dispatch(options, handler)
  }

  /** Notes an answer's status: one that says that the instance is not there is a failure. */
  answered(route: CompiledRoute, instance: Instance, statusCode: number): void {
    if (statusCode >= 502 && statusCode <= 504) this.failed(route, instance, 'unavailable')
    else if (instance.failures > 0) noteSuccess(instance)
  }

  /** Notes that an attempt failed. */
  failed(route: CompiledRoute, instance: Instance, failure: Failure): void {
    const outMs = noteFailure(route, instance, failure, this.now())
    if (outMs > 0) this.#onOut(route, instance, outMs)
  }

  /** Everything that is under way. */
  get underWay(): Iterable<Watched> {
    return this.#underWay
  }

  watch(one: Watched): void {
    this.#underWay.add(one)
  }

  forget(one: Watched): void {
    this.#underWay.delete(one)
  }

  /** Ends the watch and every connection; what is still under way fails. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }

  #endTheLate(): void {
    const nowMs = this.now()
    for (const one of this.#underWay) one.endIfLate(nowMs)
  }

  #poolFor(route: CompiledRoute, { origin }: Instance): Pool {
    // No two origins share a key (GHSA-v574-6498-x57v), nor two ways of trusting one.
    const key = JSON.stringify([origin, route.connectMs, route.tls])
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const pool = new Pool(origin, {
      connect: connectorOf(route),
      // One request at a time on a connection: an answer cannot reach another request (H-13).
      pipelining: 1,
      maxHeaderSize: answerHeaderBytes,
      // The watch keeps the time, to the limits of each route and including bodies that stand still.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#pools.set(key, pool)
    return pool
  }
}

// Certificates are verified whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED). The name is given at each connection:
// undici would take the Host field's otherwise.
function connectorOf({ connectMs, tls }: CompiledRoute): buildConnector.connector {
  const ca = tls && { ca: tls.ca }
  const connector = buildConnector({ timeout: connectMs, rejectUnauthorized: true, ...ca })
  if (tls?.serverName === undefined) return connector
  const servername = tls.serverName
  return (options, callback) => connector({ ...options, servername }, callback)
}
