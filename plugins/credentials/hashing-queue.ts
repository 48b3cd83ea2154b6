// A bounded pool with a bounded queue for password hashing, the one expensive thing an anonymous caller can ask for. It must
// never let more work in than it can finish soon: beyond that it refuses at once, and never those whose network has few
// waiting for the sake of one that has many.
import { problem } from '../errors/index.ts'
import { FairQueue, type QueuePlace } from './fair-queue.ts'

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

/** Runs work, `concurrency` at a time; places take turns. */
export class HashingQueue {
  readonly #concurrency: number
  readonly #queueLimit: number
  readonly #maxWaitMs: number
  readonly #clock: () => number
  readonly #onRefused: () => void
  readonly #waiting = new FairQueue<Waiting>()
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
    return { running: this.#running, waiting: this.#waiting.size }
  }

  /**
   * Runs `work` now or when its turn comes.
   * @param place whose turn it takes; empty for those who are signed in, who come first
   * @returns what `work` resolves to
   * @throws Problem `overloaded` at once when the queue is full, later when a place that has fewer waiting needs the room, or
   * at its turn when it has waited too long
   */
  async run<T>(place: QueuePlace, work: () => Promise<T>): Promise<T> {
    await this.#turn(place)
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#next()
    }
  }

  #turn(place: QueuePlace): Promise<void> {
    if (this.#running < this.#concurrency) {
      this.#running += 1
      return Promise.resolve()
    }
    if (this.#waiting.size >= this.#queueLimit && !this.#makeRoom(place)) {
      return Promise.reject(this.#problem('hashing_queue_full'))
    }
    return new Promise((begin, refuse) => this.#waiting.push(place, { since: this.#clock(), begin, refuse }))
  }

  #makeRoom(place: QueuePlace): boolean {
    const yielding = this.#waiting.yieldTo(place)
    yielding?.refuse(this.#problem('hashing_queue_full'))
    return yielding !== undefined
  }

  #next(): void {
    for (let waiting = this.#waiting.shift(); waiting; waiting = this.#waiting.shift()) {
      if (this.#clock() - waiting.since <= this.#maxWaitMs) {
        this.#running += 1
        waiting.begin()
        return
      }
      waiting.refuse(this.#problem('hashing_wait_too_long'))
    }
  }

  #problem(detail: string): Error {
    this.#onRefused()
    return problem('overloaded', { detail, headers: { 'Retry-After': '1' } })
  }
}
