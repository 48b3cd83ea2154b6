// Notices that are told once a minute at most, for each place that they are about: alarms that any client can cause again and
// again.
import { LruMap } from '../collections/lru-map.ts'

const tellAgainMs = 60_000
const rememberedPlaces = 1000

export class OnceAMinute {
  readonly #tell: (sentence: string) => void
  /** When a place was told of, performance.now(). */
  readonly #told = new LruMap<number>(rememberedPlaces)

  constructor(tell: (sentence: string) => void) {
    this.#tell = tell
  }

  /** Tells a sentence, unless one about this place was told within the last minute. */
  tell(place: string, sentence: string): void {
    const now = performance.now()
    if (now - (this.#told.get(place) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return
    this.#told.set(place, now)
    this.#tell(sentence)
  }
}
