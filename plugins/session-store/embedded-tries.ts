// Counted tries of the embedded store: in memory, because one process serves it and a restart is rare. Called through the
// port only (store.ts). It must stay bounded, whatever is tried.
import { RecentMap } from '../recent-map.ts'
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
  readonly #buckets = new RecentMap<Bucket>(bucketLimit)
  readonly #uses = new RecentMap<{ window: number; uses: number }>(bucketLimit)
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
    if (bucket !== known) this.#buckets.set(key, bucket)
    return { tries: bucket.tries, opensInMs: bucket.opensAt - nowMs }
  }

  async addUses(key: string, uses: number, windowMs: number): Promise<{ uses: number; opensInMs: number }> {
    const nowMs = this.#clock()
    const window = Math.floor(nowMs / windowMs)
    const known = this.#uses.get(key)
    const sum = known?.window === window ? known.uses + uses : uses
    this.#uses.set(key, { window, uses: sum })
    return { uses: sum, opensInMs: (window + 1) * windowMs - nowMs }
  }
}

function opened(last: Bucket | undefined, nowMs: number, { max, windowMs, doublingLimit }: TryLimit): Bucket {
  // Quiet for a whole window after the last one: all is forgiven.
  const goesOn = last && last.tries > max && nowMs < last.opensAt + windowMs
  const exhausted = goesOn ? Math.min(last.exhausted + 1, doublingLimit) : 0
  return { tries: 0, opensAt: nowMs + windowMs * 2 ** exhausted, exhausted }
}
