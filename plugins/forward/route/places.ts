// Places at the instances of a route: what is under way there, requests and streams (WebSockets, event streams) apart, and what
// each caller holds of it. A caller never holds more than a share, so that nobody takes a service from everybody.
import { type Problem, problem } from '../../errors/index.ts'
import type { ServicePlace } from '../../errors/outages.ts'
import { pickInstance } from '../upstream/balancing.ts'
import type { PlaceKind } from './caller-shares.ts'
import type { CompiledRoute, Instance } from './compile.ts'

/** How many places a caller may hold; two at least, since a page asks for two things at once. */
function maxHeld({ instances, callerShare, maxConcurrent, maxStreams }: CompiledRoute, kind: PlaceKind): number {
  const perInstance = kind === 'requests' ? maxConcurrent : maxStreams
  return Math.max(2, Math.ceil(perInstance * instances.length * callerShare))
}

/**
 * Takes a place for a request that is about to be sent.
 * @param caller the subject, else the network
 * @param nowMs monotonic
 * @throws Problem `overloaded` when the caller holds its share or no instance has room, `upstream_unavailable` when none is in
 */
export function takePlace(route: CompiledRoute, kind: PlaceKind, caller: string, nowMs: number): ExchangePlace {
  if (!route.shares.take(kind, caller, maxHeld(route, kind))) {
    throw problem('overloaded', { detail: 'caller_share', at: { prefix: route.prefix } })
  }
  try {
    return new ExchangePlace(route, kind, caller, pickInstance(route, kind, nowMs))
  } catch (error) {
    route.shares.give(kind, caller)
    throw error
  }
}

/** One place, held from the sending of a request to the end of what came for it. */
export class ExchangePlace {
  readonly #route: CompiledRoute
  readonly #caller: string
  #kind: PlaceKind
  #instance: Instance
  #isHeld = true
  /** Of the response of the service; 0 before there is one. */
  statusCode = 0
  /** Why the client got no response of the service, or none that is whole. */
  failure: Problem | undefined

  constructor(route: CompiledRoute, kind: PlaceKind, caller: string, instance: Instance) {
    this.#route = route
    this.#kind = kind
    this.#caller = caller
    this.#instance = instance
    instance[kind] += 1
  }

  get instance(): Instance {
    return this.#instance
  }

  /** Where it is, for the log. */
  get at(): ServicePlace {
    return { prefix: this.#route.prefix, origin: this.#instance.origin }
  }

  /**
   * The request is sent to another instance.
   * @param fields of the request, names and values in turn; the Host field stands first
   */
  moveTo(other: Instance, fields: string[]): void {
    if (this.#route.host === 'instance') fields[1] = other.host
    this.#instance[this.#kind] -= 1
    other[this.#kind] += 1
    this.#instance = other
  }

  /**
   * The response turns out to be a stream.
   * @returns false when its caller or its instance has as many as may be; the place is then what it was
   */
  becomeStream(): boolean {
    if (this.#instance.streams >= this.#route.maxStreams) return false
    if (!this.#route.shares.take('streams', this.#caller, maxHeld(this.#route, 'streams'))) return false
    this.#route.shares.give(this.#kind, this.#caller)
    this.#instance[this.#kind] -= 1
    this.#instance.streams += 1
    this.#kind = 'streams'
    return true
  }

  /** Gives it back; once. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#instance[this.#kind] -= 1
    this.#route.shares.give(this.#kind, this.#caller)
  }
}
