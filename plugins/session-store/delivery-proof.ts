// Delivery proof (docs/architecture.md#delivery-proof): the first time this node sees an access token of a generation in use,
// it tells the store, once, in batches, off the request's path. Losing a mark is harmless: it only leaves a lost response retryable for longer,
// until the client's next rotation. So nothing here is ever repeated in haste, waited for, or allowed to pile up.
import { LruMap } from '../collections/lru-map.ts'
import type { DeliveredGeneration, SessionStore } from './port/store.ts'

export interface DeliveryProofOptions {
  /** How long marks are gathered before they are sent, ms. */
  flushAfterMs: number
  /** Marks sent to the store at once; the next batch waits for its response. */
  marksAtOnce: number
  /** Marks that may wait; beyond it a session is told when its token is next seen. */
  waitingMarks: number
  /** Most sessions remembered as told already; those not seen for longest are forgotten (and told again). */
  rememberedSessions: number
  /** Hears of a generation in use that a late retry had skipped: its response was not lost, so the owner or a thief holds it. */
  onSkippedUse: (mark: DeliveredGeneration) => void
}

/** Generations whose responses were taken for lost: those after `after`, up to `upTo`. */
interface Skipped {
  after: number
  upTo: number
}

const defaults: DeliveryProofOptions = {
  flushAfterMs: 10,
  marksAtOnce: 500,
  waitingMarks: 10_000,
  rememberedSessions: 100_000,
  onSkippedUse: () => undefined,
}

const rememberedSkips = 10_000

/** Gathers the generations seen in use and marks them in the store. */
export class DeliveryProof {
  /** By session, the newest generation told or waiting to be. */
  readonly #told: LruMap<number>
  readonly #waiting = new Map<string, number>()
  /** By session, what late retries on this node have skipped last. Another node learns it of the store, until its owner has gone on. */
  readonly #skipped = new LruMap<Skipped>(rememberedSkips)
  readonly #store: Pick<SessionStore, 'markDelivered'>
  readonly #options: DeliveryProofOptions
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined

  constructor(store: Pick<SessionStore, 'markDelivered'>, options: Partial<DeliveryProofOptions> = {}) {
    this.#store = store
    this.#options = { ...defaults, ...options }
    this.#told = new LruMap(this.#options.rememberedSessions)
  }

  /**
   * Notes a verified access token's generation. Cheap: one look-up when it is known already.
   * @param sid the token's session
   * @param generation the token's `gen`
   */
  seen(sid: string, generation: number): void {
    const told = this.#told.get(sid)
    if (told !== undefined && told >= generation) {
      if (told > generation) this.#seenOlder(sid, generation)
      return
    }
    if (this.#waiting.size >= this.#options.waitingMarks && !this.#waiting.has(sid)) return
    this.#told.set(sid, generation)
    // Of two generations of a session the newer one says it all.
    this.#waiting.set(sid, generation)
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.flushAfterMs).unref()
  }

  /** Notes that a late retry was given generation `newest`, and that those between it and the presented one are skipped. */
  skipped(sid: string, presented: number, newest: number): void {
    this.#skipped.set(sid, { after: presented, upTo: newest - 1 })
  }

  /** Sends what waits, batch after batch, one at a time. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flushing ??= this.#sendAll().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  /**
   * Sends the mark of one session, if it waits. A refresh calls this right before its rotation and does not wait for it: both go
   * the same way to the store, in this order, so on this node a mark is never overtaken. Never rejects.
   */
  async flushSession(sid: string): Promise<void> {
    const generation = this.#waiting.get(sid)
    if (generation === undefined) return
    this.#waiting.delete(sid)
    await this.#send([{ sid, generation }])
  }

  // The store knows no more that it was skipped once a newer one is proven.
  #seenOlder(sid: string, generation: number): void {
    if (this.#skipped.size === 0) return
    const skipped = this.#skipped.get(sid)
    if (skipped && skipped.after < generation && generation <= skipped.upTo) this.#report({ sid, generation })
  }

  #report(mark: DeliveredGeneration): void {
    this.#skipped.delete(mark.sid)
    this.#options.onSkippedUse(mark)
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.size > 0) await this.#send(this.#takeBatch())
  }

  #takeBatch(): DeliveredGeneration[] {
    const marks: DeliveredGeneration[] = []
    for (const [sid, generation] of this.#waiting) {
      if (marks.push({ sid, generation }) >= this.#options.marksAtOnce) break
    }
    for (const { sid } of marks) this.#waiting.delete(sid)
    return marks
  }

  async #send(marks: readonly DeliveredGeneration[]): Promise<void> {
    try {
      for (const mark of await this.#store.markDelivered(marks)) this.#report(mark)
    } catch {
      // The store is away. These sessions, and those that wait, are told again when their tokens are next seen.
      for (const { sid } of marks) this.#told.delete(sid)
      for (const sid of this.#waiting.keys()) this.#told.delete(sid)
      this.#waiting.clear()
    }
  }
}
