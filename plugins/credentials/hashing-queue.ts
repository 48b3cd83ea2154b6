// A bounded pool with a bounded queue for password hashing, the one expensive thing an anonymous caller can ask for.
// Used by the credentials plugin. It must never let more work in than it can finish soon: beyond that it refuses at once.
import { problem } from '../errors.ts'

export interface HashingQueueOptions {
  /** Hashes that run at a time. */
  concurrency: number
  /** Hashes that wait beside those. */
  queue: number
  /** Longest wait of one that waits; later its turn is a refusal. Default 2000. */
  maxWaitMs?: number
  clock?: () => number
  /** Told of each refusal. */
  onRefused?: () => void
}

interface Waiting {
  since: number
  begin: () => void
  refuse: (reason: Error) => void
}

/** Runs work in order of arrival, `concurrency` at a time. */
export class HashingQueue {
  readonly #concurrency: number
  readonly #queueLimit: number
  readonly #maxWaitMs: number
  readonly #clock: () => number
  readonly #onRefused: () => void
  readonly #waiting: Waiting[] = []
  #running = 0

  constructor(options: HashingQueueOptions) {
    this.#concurrency = options.concurrency
    this.#queueLimit = options.queue
    this.#maxWaitMs = options.maxWaitMs ?? 2000
    this.#clock = options.clock ?? Date.now
    this.#onRefused = options.onRefused ?? (() => {})
  }

  /** How many hashes run, and how many wait. */
  get load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiting.length }
  }

  /**
   * Runs `work` now or when its turn comes.
   * @returns what `work` resolves to
   * @throws Problem `overloaded` at once when the queue is full, or at its turn when it has waited too long
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#turn()
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#next()
    }
  }

  #turn(): Promise<void> {
    if (this.#running < this.#concurrency) {
      this.#running += 1
      return Promise.resolve()
    }
    if (this.#waiting.length >= this.#queueLimit) return Promise.reject(this.#refusal('hashing_queue_full'))
    return new Promise((begin, refuse) => this.#waiting.push({ since: this.#clock(), begin, refuse }))
  }

  #next(): void {
    for (let waiting = this.#waiting.shift(); waiting; waiting = this.#waiting.shift()) {
      if (this.#clock() - waiting.since <= this.#maxWaitMs) {
        this.#running += 1
        waiting.begin()
        return
      }
      waiting.refuse(this.#refusal('hashing_wait_too_long'))
    }
  }

  #refusal(reason: string): Error {
    this.#onRefused()
    return problem('overloaded', { reason, headers: { 'Retry-After': '1' } })
  }
}
