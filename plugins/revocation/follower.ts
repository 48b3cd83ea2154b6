// Follows the store's revocation log into this node's list: loads what is young enough at start, then reads on from its last
// place, through any failure of the store. It never skips: a page that fails is read again.
import { setTimeout as delay } from 'node:timers/promises'
import type { LogPosition, SessionStore, Store } from '../session-store/store.ts'
import type { RevocationList } from './list.ts'

export interface FollowerOptions {
  store: Store
  list: RevocationList
  /** How far back to load at start, ms. */
  lookBackMs: number
  /** How long one read waits for news, ms. */
  waitMs: number
  onFailure: (error: unknown) => void
}

const retryAfterMs = 250

export class RevocationFollower {
  readonly #options: FollowerOptions
  readonly #sessions: SessionStore
  readonly #stopped = new AbortController()
  #heardAtMs = Number.NEGATIVE_INFINITY

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#sessions = options.store.sessions
  }

  /** How long ago the log was last read to its end, ms. */
  get ageMs(): number {
    return performance.now() - this.#heardAtMs
  }

  /**
   * Loads the log and goes on following it in the background.
   * @throws StoreUnavailable when the first load fails: a node that knows nothing must not serve
   */
  async start(): Promise<void> {
    const sinceMs = (await this.#options.store.now()) - this.#options.lookBackMs
    const position = await this.#load({ sinceMs })
    void this.#follow(position)
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #load(from: { sinceMs: number }): Promise<LogPosition> {
    let after: LogPosition | { sinceMs: number } = from
    for (;;) {
      const { revocations, position } = await this.#read(after, 0)
      if (revocations.length === 0) return position
      after = position
    }
  }

  async #follow(position: LogPosition): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        position = (await this.#read(position, this.#options.waitMs)).position
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        this.#options.onFailure(error)
        await delay(retryAfterMs, undefined, { ref: false, signal: this.#stopped.signal }).catch(() => undefined)
      }
    }
  }

  async #read(after: LogPosition | { sinceMs: number }, waitMs: number) {
    const page = await this.#sessions.readRevocations(after, waitMs)
    for (const revocation of page.revocations) this.#options.list.add(revocation)
    this.#heardAtMs = performance.now()
    return page
  }
}
