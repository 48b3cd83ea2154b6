// Connections to services: one pool per origin, and the watch over everything that is on its way. Made and closed by index.ts.
// An origin comes from the config file alone; no request ever adds one. No redirect is followed.
import type { Dispatcher } from 'undici'
import { Pool } from 'undici'
import type { CompiledRoute, Instance } from './route.ts'

/** Something under way that can run out of time. */
export interface Watched {
  /** Ends it if it has. @param nowMs of the same clock as its beginning */
  endIfLate(nowMs: number): void
}

/** What a service may send as header fields of one answer; beyond it the answer is not valid. */
const answerHeaderBytes = 32_768
const longestTickMs = 1000
const shortestTickMs = 5

export class Upstreams {
  // Keyed by values of the config that cannot hold a blank: no two origins share a key (GHSA-v574-6498-x57v).
  readonly #pools = new Map<string, Pool>()
  readonly #underWay = new Set<Watched>()
  #tickMs = longestTickMs
  #timer: NodeJS.Timeout | undefined
  /** Set when the gateway stops: answers then close their connections. */
  closing = false

  /** Monotonic, ms. */
  now(): number {
    return performance.now()
  }

  /** Opens the pools of a route and watches at the pace that its time limits need. */
  open(route: CompiledRoute): void {
    for (const instance of route.instances) this.#poolOf(route, instance)
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
    this.#poolOf(route, instance).dispatch(options, handler)
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

  #poolOf({ connectMs }: CompiledRoute, { origin }: Instance): Pool {
    const key = `${connectMs} ${origin}`
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const pool = new Pool(origin, {
      connect: { timeout: connectMs },
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
