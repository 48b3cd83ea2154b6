// Does things in order, one at a time, each again with growing pauses until it succeeds or has failed too often. It must
// never hold more than its limit, and never keep the process alive.
import { setTimeout as delay } from 'node:timers/promises'

export interface BackOffOptions {
  /** Waiting at most; more are refused. */
  limit: number
  /** Tries of one. */
  attempts: number
  /** Before the second attempt, ms; doubled for each further one. */
  firstPauseMs: number
}

/** What one attempt came to: `again` is tried again, `given_up` is not. */
export type Trial = 'done' | 'again' | 'given_up'

export class BackOffQueue<Item> {
  readonly #options: BackOffOptions
  readonly #attempt: (item: Item) => Promise<Trial>
  readonly #onLost: (item: Item) => void
  readonly #waiting: Item[] = []
  readonly #stopped = new AbortController()
  #isRunning = false

  /**
   * @param attempt may reject, which means `again`
   * @param onLost hears what did not succeed, or did not fit
   */
  constructor(options: BackOffOptions, attempt: (item: Item) => Promise<Trial>, onLost: (item: Item) => void) {
    this.#options = options
    this.#attempt = attempt
    this.#onLost = onLost
  }

  add(item: Item): void {
    if (this.#waiting.length >= this.#options.limit) {
      this.#onLost(item)
    } else {
      this.#waiting.push(item)
      void this.#run()
    }
  }

  /** Gives up what waits. */
  stop(): void {
    this.#stopped.abort()
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      if (!(await this.#succeed(item))) this.#onLost(item)
    }
    this.#isRunning = false
  }

  async #succeed(item: Item): Promise<boolean> {
    for (let tried = 1; tried <= this.#options.attempts && !this.#stopped.signal.aborted; tried += 1) {
      const trial = await this.#attempt(item).catch((): Trial => 'again')
      if (trial !== 'again') return trial === 'done'
      const pauseMs = this.#options.firstPauseMs * 2 ** (tried - 1)
      if (tried < this.#options.attempts) {
        await delay(pauseMs, undefined, { ref: false, signal: this.#stopped.signal }).catch(() => undefined)
      }
    }
    return false
  }
}
