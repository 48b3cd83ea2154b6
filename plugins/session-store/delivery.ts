// Delivery proof (design 2.2): the first time this node sees an access token of a generation in use, it tells the store,
// once, in batches, off the request's path. Losing a mark is harmless: it only leaves a lost answer retryable for longer.
import type { DeliveryMark, SessionStore } from './store.ts'

export interface DeliveryOptions {
  /** How long marks are gathered before they are sent, ms. */
  flushAfterMs: number
  /** Sessions remembered as told already; the oldest are forgotten (and told again). */
  rememberedSessions: number
}

const defaults: DeliveryOptions = { flushAfterMs: 10, rememberedSessions: 100_000 }

/** Gathers the generations seen in use and marks them in the store. */
export class Delivery {
  readonly #told = new Map<string, number>()
  readonly #store: SessionStore
  readonly #options: DeliveryOptions
  #pending: DeliveryMark[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(store: SessionStore, options: Partial<DeliveryOptions> = {}) {
    this.#store = store
    this.#options = { ...defaults, ...options }
  }

  /**
   * Notes a verified access token's generation. Cheap: one look-up when it is known already.
   * @param sid the token's session
   * @param generation the token's `gen`
   */
  seen(sid: string, generation: number): void {
    const told = this.#told.get(sid)
    if (told !== undefined && told >= generation) return
    this.#remember(sid, generation)
    this.#pending.push({ sid, generation })
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.flushAfterMs).unref()
  }

  /** Sends what was gathered. A rotation calls it first, so that on this node a mark is never overtaken. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#pending.length === 0) return
    const marks = this.#pending
    this.#pending = []
    try {
      await this.#store.markDelivered(marks)
    } catch {
      // The store is away: these sessions are told again when their tokens are next seen.
      for (const { sid } of marks) this.#told.delete(sid)
    }
  }

  #remember(sid: string, generation: number): void {
    this.#told.delete(sid)
    this.#told.set(sid, generation)
    if (this.#told.size <= this.#options.rememberedSessions) return
    const [oldest] = this.#told.keys()
    if (oldest !== undefined) this.#told.delete(oldest)
  }
}
