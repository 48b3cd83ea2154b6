// Counted tries of the embedded store: in memory, because one process serves it and a restart is rare. Called through the
// port only (store.ts). It must stay bounded, whatever is tried.
import type { TryLimit, TryStore } from './store.ts'

interface Bucket {
  tries: number
  opensAt: number
  /** Windows in a row that were exhausted: each doubles the next one. */
  exhausted: number
}

/** Keys remembered; the ones least recently tried are forgotten first. */
const bucketLimit = 300_000

export class EmbeddedTries implements TryStore {
  readonly #buckets = new Map<string, Bucket>()
  readonly #clock: () => number

  /** @param clock the store's, ms */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  async count(key: string, limit: TryLimit): Promise<{ tries: number; opensInMs: number }> {
    const nowMs = this.#clock()
    const known = this.#buckets.get(key)
    const bucket = known && nowMs < known.opensAt ? known : opened(known, nowMs, limit)
    bucket.tries += 1
    this.#remember(key, bucket)
    return { tries: bucket.tries, opensInMs: bucket.opensAt - nowMs }
  }

  #remember(key: string, bucket: Bucket): void {
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size <= bucketLimit) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}

function opened(last: Bucket | undefined, nowMs: number, { max, windowMs, doublingLimit }: TryLimit): Bucket {
  // Quiet for a whole window after the last one: all is forgiven.
  const goesOn = last && last.tries > max && nowMs < last.opensAt + windowMs
  const exhausted = goesOn ? Math.min(last.exhausted + 1, doublingLimit) : 0
  return { tries: 0, opensAt: nowMs + windowMs * 2 ** exhausted, exhausted }
}
