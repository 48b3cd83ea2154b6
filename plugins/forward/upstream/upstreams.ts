// Connections to services: one pool per origin, and the watch over everything that is on its way. An origin comes from the
// config file alone; no request ever adds one. No redirect is followed.
import type { AccessClaims } from '../../access-tokens/index.ts'
import { DenseSet, type Listed } from '../../collections/dense-set.ts'
import type { Call, OutgoingRequest } from '../client/call.ts'
import { Pool } from '../client/pool.ts'
import type { CompiledRoute, Instance } from '../route/compile.ts'
import { type Failure, noteFailure, noteSuccess } from './balancing.ts'

/** Something under way that can run out of time. */
export interface Watched extends Listed {
  /** Ends it if it has. @param nowMs of the same clock as its beginning */
  endIfLate(nowMs: number): void
  /** The access token that let it in; null where none was demanded. */
  readonly access: AccessClaims | null
  /** Whether it is to end when that token expires. */
  readonly endsAtExpiry: boolean
  /** Ends it now. @param detail a word for what closes with it */
  end(detail: string): void
}

/** Told when an instance is taken out, and for how long. */
export type OutListener = (route: CompiledRoute, instance: Instance, outMs: number) => void

const maxTickMs = 1000
const shortestTickMs = 5

export class Upstreams {
  // Routes share the pool of an origin when they connect to it in the same way.
  readonly #pools = new Map<string, Pool>()
  readonly #poolByInstance = new Map<Instance, Pool>()
  readonly #onOut: OutListener
  readonly #underWay = new DenseSet<Watched>()
  #tickMs = maxTickMs
  #timer: NodeJS.Timeout | undefined
  /** Set when the gateway stops: answers then close their connections. */
  closing = false

  /** Told of what this process itself lacks, by the code of the system's error. */
  readonly lacks: (code: string) => void

  constructor(onOut: OutListener, onLack: (code: string) => void) {
    this.#onOut = onOut
    this.lacks = onLack
  }

  /** Monotonic, ms. */
  now(): number {
    return performance.now()
  }

  /** Opens the pools of a route and watches at the pace that its time limits need. */
  open(route: CompiledRoute): void {
    for (const instance of route.instances) this.#poolByInstance.set(instance, this.#makePool(route, instance))
    const shortest = Math.min(route.connectMs, route.headersMs, route.bodyIdleMs)
    const tickMs = Math.max(shortestTickMs, Math.min(this.#tickMs, Math.floor(shortest / 4)))
    if (this.#timer !== undefined && tickMs === this.#tickMs) return
    clearInterval(this.#timer)
    this.#tickMs = tickMs
    this.#timer = setInterval(() => this.#endTheLate(), tickMs).unref()
  }

  /** Sends a request; `call` is told of exactly one end. */
  send(route: CompiledRoute, instance: Instance, request: OutgoingRequest, call: Call): void {
    this.#poolOf(route, instance).send(request, call)
  }

  /** Sends a request on a connection of its own, which no service can have closed meanwhile. */
  sendAnew(route: CompiledRoute, instance: Instance, request: OutgoingRequest, call: Call): void {
    this.#poolOf(route, instance).sendAnew(request, call)
  }

  /** Notes a response's status: one that says that the instance is not there is a failure. */
  responded(route: CompiledRoute, instance: Instance, statusCode: number): void {
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
  close(): void {
    clearInterval(this.#timer)
    for (const pool of this.#pools.values()) pool.destroy()
  }

  #endTheLate(): void {
    const nowMs = this.now()
    for (const one of this.#underWay) one.endIfLate(nowMs)
  }

  #poolOf(route: CompiledRoute, instance: Instance): Pool {
    return this.#poolByInstance.get(instance) ?? this.#makePool(route, instance)
  }

  #makePool(
    { connectMs, maxConnectionAgeMs: maxAgeMs, responseHeadBytes, tls }: CompiledRoute,
    { origin }: Instance,
  ): Pool {
    // No two origins share a key (GHSA-v574-6498-x57v), nor two ways of trusting one.
    const key = JSON.stringify([origin, connectMs, maxAgeMs, responseHeadBytes, tls])
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const pool = new Pool({ origin, connectMs, maxAgeMs, responseHeadBytes, tls })
    this.#pools.set(key, pool)
    return pool
  }
}
