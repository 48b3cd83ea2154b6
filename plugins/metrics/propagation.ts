// The time that revocations are on their way to this process. A reload has two apps follow the log for a while, and either
// may hear of one first: each counts once, when the app that serves knows of it. Part of the totals; told by whoever wires
// the gateway.

import { LruMap } from '../collections/lru-map.ts'
import { toEntry } from '../session-store/port/revocation-entry.ts'
import type { RevocationEntry } from '../session-store/port/store.ts'
import { Histogram } from './histogram.ts'

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
/** What an app loads and is older is no news: the app before it knows that long since, or does not know anything any more. */
const loadedNewsMs = 60_000
const remembered = 10_000

export class Propagation {
  /** From a revocation, on whichever node, to this one knowing of it, s. */
  readonly times = new Histogram(bounds)
  readonly #known = new LruMap<true>(remembered)
  /** What apps know that do not serve yet, by its key. */
  readonly #early = new WeakMap<object, Map<string, RevocationEntry>>()
  readonly #retired = new WeakSet<object>()
  #serving: object | undefined

  /**
   * Takes what an app learns of, if it had not known it. The first app of all serves until another one is adopted.
   * @param isFresh it was just written; else the app has loaded it
   * @param nowMs by this node's clock
   */
  learn(app: object, revocation: RevocationEntry, isFresh: boolean, nowMs: number): void {
    this.#serving ??= app
    if (this.#retired.has(app) || (!isFresh && nowMs - revocation.at > loadedNewsMs)) return
    const key = keyOf(revocation)
    if (app !== this.#serving) this.#remember(app, key, revocation)
    else if (isFresh) this.#count(key, revocation, nowMs)
    else this.#known.set(key, true)
  }

  /** From now on this app serves: what it knows and the one before it had not heard of yet, this node knows from now on. */
  activate(app: object, nowMs: number): void {
    if (this.#serving === app) return
    if (this.#serving !== undefined) this.#retired.add(this.#serving)
    this.#serving = app
    for (const [key, revocation] of this.#early.get(app) ?? []) this.#count(key, revocation, nowMs)
    this.#early.delete(app)
  }

  #remember(app: object, key: string, revocation: RevocationEntry): void {
    const early = this.#early.get(app) ?? new Map<string, RevocationEntry>()
    this.#early.set(app, early)
    if (early.size < remembered) early.set(key, revocation)
  }

  #count(key: string, { at }: RevocationEntry, nowMs: number): void {
    if (this.#known.get(key)) return
    this.#known.set(key, true)
    this.times.observe(Math.max(0, nowMs - at) / 1000)
  }
}

function keyOf(revocation: RevocationEntry): string {
  const { kind, name, at } = toEntry(revocation)
  return `${kind} ${name} ${at}`
}
