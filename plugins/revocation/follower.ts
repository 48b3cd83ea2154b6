// Follows the store's revocation log: loads what is young enough at start, then reads on from its last place, through any
// failure of the store. It never skips: a page that fails is read again, and where the log can no longer vouch for this node's
// place, everything young enough is loaded again.
import { setTimeout as delay } from 'node:timers/promises'
import type { LogPosition, RevocationEntry, Store } from '../session-store/port/store.ts'

export interface FollowerOptions {
  store: Store
  /**
   * Hears each page, in the order of the log; after a reload some of it again.
   * @param isFresh it was just written; else it was loaded, and may be as old as the log
   */
  onRevoked: (revocations: readonly RevocationEntry[], isFresh: boolean) => void
  /** How far back to load, ms. */
  lookBackMs: number
  /** This node's clock, ms: the earlier of it and the store's says where loading begins. */
  clock: () => number
  /** How long one read waits for news, ms. */
  waitMs: number
  /** Told of the first of failures in a row. */
  onFailure: (error: unknown) => void
  /** Told of entries of a kind that this version does not know, and how many. */
  onUnknown: (entries: number) => void
  /** Told that the log was loaded again. */
  onReloaded: () => void
}

// The store's link waits for its connection by itself, so trying again soon is no busy loop; a store that fails at once is
// left alone for longer and longer.
const shortestPauseMs = 5
const maxPauseMs = 250

export class RevocationFollower {
  readonly #options: FollowerOptions
  readonly #stopped = new AbortController()
  #position: LogPosition = ''
  #isReloadDue = false
  #failures = 0
  #heardAtMs = Number.NEGATIVE_INFINITY
  #unknownEntries = 0
  #reloads = 0

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** How long ago the store last said that this node knows everything, ms. */
  get ageMs(): number {
    return performance.now() - this.#heardAtMs
  }

  /** Where reading goes on. */
  get position(): LogPosition {
    return this.#position
  }

  /** Entries that were skipped since the start. */
  get unknownEntries(): number {
    return this.#unknownEntries
  }

  /** How often everything was loaded again since the start. */
  get reloads(): number {
    return this.#reloads
  }

  /**
   * Loads the log and goes on following it in the background.
   * @throws StoreUnavailable when the first load fails: a node that knows nothing must not serve
   */
  async start(): Promise<void> {
    await this.#load()
    void this.#follow()
  }

  /** Has everything young enough loaded again: a clock moved, and what was young enough is another now. */
  reloadSoon(): void {
    this.#isReloadDue = true
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #follow(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        if (this.#isReloadDue) await this.#reload()
        else await this.#readOn()
        this.#failures = 0
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        await this.#pause(error)
      }
    }
  }

  async #readOn(): Promise<void> {
    const page = await this.#read(this.#position, this.#options.waitMs)
    // Due until it has succeeded, whatever the next read of this place would say.
    this.#isReloadDue ||= page.hasGap
    if (!page.hasGap) this.#heard(page.position)
  }

  async #reload(): Promise<void> {
    this.#isReloadDue = false
    await this.#load().catch((error) => {
      this.#isReloadDue = true
      throw error
    })
    this.#reloads += 1
    this.#options.onReloaded()
  }

  // Page by page until one brings nothing more.
  async #load(): Promise<void> {
    const { clock, lookBackMs, store } = this.#options
    const sinceMs = Math.min(await store.now(), clock()) - lookBackMs
    let page = await this.#read({ sinceMs }, 0)
    let position: LogPosition | undefined
    while (page.position !== position && !page.hasGap) {
      position = page.position
      page = await this.#read(position, 0)
    }
    if (page.hasGap) throw new Error('the revocation log was trimmed while it was loaded')
    this.#heard(page.position)
  }

  async #read(after: LogPosition | { sinceMs: number }, waitMs: number) {
    const page = await this.#options.store.sessions.readRevocations(after, waitMs)
    if (page.revocations.length > 0) this.#options.onRevoked(page.revocations, waitMs > 0)
    if (page.unknownEntries > 0) {
      this.#unknownEntries += page.unknownEntries
      this.#options.onUnknown(page.unknownEntries)
    }
    return page
  }

  #heard(position: LogPosition): void {
    this.#position = position
    this.#heardAtMs = performance.now()
  }

  async #pause(error: unknown): Promise<void> {
    if (this.#failures === 0) this.#options.onFailure(error)
    const pauseMs = Math.min(maxPauseMs, shortestPauseMs * 2 ** this.#failures)
    this.#failures = Math.min(this.#failures + 1, 10)
    await delay(pauseMs, undefined, { ref: false, signal: this.#stopped.signal }).catch(() => undefined)
  }
}
