// A limit for each of many: a bucket that fills evenly and holds a burst, counted by this node alone. It remembers a bounded
// number; one that was forgotten begins anew.
import { LruMap } from './lru-map.ts'

export interface EvenLimitOptions {
  /** How often in a window; a third of it may come at once. */
  max: number
  windowMs: number
  /** This node's, ms. */
  clock: () => number
}

interface Bucket {
  /** What it held when it was last looked at. */
  left: number
  /** ms */
  at: number
}

const remembered = 100_000

export class EvenLimit {
  readonly #options: EvenLimitOptions
  readonly #burst: number
  readonly #buckets = new LruMap<Bucket>(remembered)

  constructor(options: EvenLimitOptions) {
    this.#options = options
    this.#burst = Math.ceil(options.max / 3)
  }

  /**
   * How long one has to wait for the next time.
   * @returns ms; 0 for not at all
   */
  waitMs(name: string): number {
    const { left } = this.#look(name)
    return left >= 1 ? 0 : Math.ceil(((1 - left) * this.#options.windowMs) / this.#options.max)
  }

  /** Counts once, whatever is left. */
  count(name: string): void {
    const bucket = this.#look(name)
    bucket.left = Math.max(0, bucket.left - 1)
  }

  /** Counts once if there is something left. @returns whether there was */
  take(name: string): boolean {
    const bucket = this.#look(name)
    if (bucket.left < 1) return false
    bucket.left -= 1
    return true
  }

  #look(name: string): Bucket {
    const { max, windowMs, clock } = this.#options
    const now = clock()
    const bucket = this.#buckets.touch(name, () => ({ left: this.#burst, at: now }))
    // A clock that is set back fills nothing and empties nothing.
    const passedMs = Math.max(0, now - bucket.at)
    bucket.left = Math.min(this.#burst, bucket.left + (passedMs * max) / windowMs)
    bucket.at = now
    return bucket
  }
}
