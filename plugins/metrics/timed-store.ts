// The time that the store takes, verb by verb: the store itself, with a clock around what requests wait for. It must change
// neither what a verb does nor what it answers.

import type { Store } from '../session-store/port/store.ts'
import { Histogram } from './histogram.ts'

/** Histograms by verb. */
export type StoreLatency = ReadonlyMap<string, Histogram>

// Not `readRevocations`, which waits on purpose.
const verbs = [
  'create',
  'rotate',
  'read',
  'list',
  'listAll',
  'markDelivered',
  'end',
  'endAll',
  'take',
  'giveBack',
  'find',
] as const

/** Where times are kept. */
export function newStoreLatency(): StoreLatency {
  return new Map(verbs.map((verb) => [verb, new Histogram()]))
}

/** @returns the same store, with its times kept in `latency` */
export function timed(store: Store, latency: StoreLatency): Store {
  const parts = new Map<PropertyKey, object>([
    ['sessions', timedPart(store.sessions, latency)],
    ['tries', timedPart(store.attempts, latency)],
    ['users', timedPart(store.users, latency)],
  ])
  return boundTo(store, (name) => parts.get(name))
}

function timedPart<Part extends object>(part: Part, latency: StoreLatency): Part {
  const made = new Map<PropertyKey, unknown>()
  return boundTo(part, (name) => {
    const histogram = latency.get(String(name))
    const verb = histogram && Reflect.get(part, name, part)
    if (histogram === undefined || typeof verb !== 'function') return undefined
    if (!made.has(name)) made.set(name, timedVerb(verb.bind(part), histogram))
    return made.get(name)
  })
}

function timedVerb(verb: (...args: unknown[]) => Promise<unknown>, histogram: Histogram) {
  return async (...args: unknown[]) => {
    const startedAt = performance.now()
    try {
      return await verb(...args)
    } finally {
      histogram.observe((performance.now() - startedAt) / 1000)
    }
  }
}

// Everything else is asked of the object itself: its private members know no other `this`.
function boundTo<T extends object>(target: T, instead: (name: PropertyKey) => unknown): T {
  const bound = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get: (_, name) => {
      const own = instead(name) ?? bound.get(name)
      if (own !== undefined) return own
      const value = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      bound.set(name, value.bind(target))
      return bound.get(name)
    },
  })
}
