// The limit of how often one caller may use a route: counted in this process, and settled with the store in small shares, so
// that a request neither waits for the store nor costs it a call. Nodes together admit at most `max`, and besides what the
// other nodes hold back: a twentieth of `max` each, and what they admit during one round trip to the store.
import { LruMap } from '../../collections/lru-map.ts'
import type { CompiledRoute } from './compile.ts'

export type UseLimitConfig = NonNullable<CompiledRoute['rateLimit']>

/** Where nodes settle: the part of the store's port that is needed. */
export interface UseStore {
  addHits(key: string, hits: number, windowMs: number): Promise<{ hits: number; opensInMs: number }>
}

export interface UseLimitOptions extends UseLimitConfig {
  /** Of the keys in the store: the route's prefix. */
  name: string
  store: UseStore
  /** ms */
  clock: () => number
  /** Told when the store was lost, and when it is back: meanwhile this node counts alone. */
  onStore: (isAway: boolean) => void
}

export interface Use {
  granted: boolean
  /** Uses left in the window, as far as this node knows. */
  remaining: number
  /** Until the window ends, at least 1. */
  resetSeconds: number
}

interface Window {
  endsAt: number
  /** As the store last said, or as counted here while it is away. */
  synced: number
  unsynced: number
  isSyncing: boolean
}

/** Callers remembered for a route; who has not come for longest is forgotten first. */
const windowLimit = 50_000
/** What a node may hold back of a limit. */
const heldBackShare = 0.05
/** After a failure the store is left alone for so long. */
const awayPauseMs = 1000

export class RateLimit {
  readonly #options: UseLimitOptions
  readonly #policy: string
  readonly #windowMs: number
  readonly #shareHits: number
  readonly #windows = new LruMap<Window>(windowLimit)
  #storeAwayUntil = 0

  constructor(options: UseLimitOptions) {
    this.#options = options
    this.#policy = `"route";q=${options.max};w=${options.windowSeconds}`
    this.#windowMs = options.windowSeconds * 1000
    this.#shareHits = Math.max(1, Math.floor(options.max * heldBackShare))
  }

  /**
   * Counts one use. A refused one is not counted.
   * @param caller who uses the route
   */
  take(caller: string): Use {
    const { max, clock } = this.#options
    const nowMs = clock()
    const window = this.#windowOf(caller, nowMs)
    const used = window.synced + window.unsynced
    const resetSeconds = Math.max(1, Math.ceil((window.endsAt - nowMs) / 1000))
    if (used >= max) return { granted: false, remaining: 0, resetSeconds }
    window.unsynced += 1
    if (window.unsynced >= this.#shareHits && !window.isSyncing) this.#syncWithStore(caller, window, nowMs)
    return { granted: true, remaining: max - used - 1, resetSeconds }
  }

  /**
   * What a client is told about its limit (draft-ietf-httpapi-ratelimit-headers-11).
   * @returns names and values in turn
   */
  fieldsOf({ remaining, resetSeconds }: Use): string[] {
    return ['ratelimit-policy', this.#policy, 'ratelimit', `"route";r=${remaining};t=${resetSeconds}`]
  }

  #windowOf(caller: string, nowMs: number): Window {
    const known = this.#windows.get(caller)
    // None ends later than a whole window from now, unless the clock was set back.
    if (known !== undefined && nowMs < known.endsAt && known.endsAt <= nowMs + this.#windowMs) return known
    // Windows begin together on all nodes, by their clocks; the store's is taken over with its first response.
    const endsAt = (Math.floor(nowMs / this.#windowMs) + 1) * this.#windowMs
    const window = { endsAt, synced: 0, unsynced: 0, isSyncing: false }
    this.#windows.set(caller, window)
    return window
  }

  // Off the request's path: nobody waits for it, and nothing of it can fail a request.
  #syncWithStore(caller: string, window: Window, nowMs: number): void {
    if (nowMs < this.#storeAwayUntil) return
    const { name, store, clock } = this.#options
    const hits = window.unsynced
    window.isSyncing = true
    store.addHits(`use ${name} ${caller}`, hits, this.#windowMs).then(
      (response) => {
        window.isSyncing = false
        window.unsynced -= hits
        window.synced = response.hits
        window.endsAt = clock() + response.opensInMs
        this.#noteStore(false)
      },
      () => {
        window.isSyncing = false
        this.#noteStore(true)
      },
    )
  }

  #noteStore(isAway: boolean): void {
    const wasAway = this.#storeAwayUntil > 0
    this.#storeAwayUntil = isAway ? this.#options.clock() + awayPauseMs : 0
    if (isAway !== wasAway) this.#options.onStore(isAway)
  }
}
