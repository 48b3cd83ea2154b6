// Counted tries in Redis: one small value a key, which goes by itself when all is forgiven. Called through the port only
// (store.ts). The key is a keyed hash: what people typed as a user name never stands in the store.
import type { RedisLink } from './redis-link.ts'
import type { RedisNames } from './redis-names.ts'
import { scripts } from './redis-scripts.ts'
import type { TryLimit, TryStore } from './store.ts'

export class RedisTries implements TryStore {
  readonly #link: RedisLink
  readonly #names: RedisNames
  readonly #clock: (() => number) | undefined

  /** @param clock of a test; the store's own otherwise */
  constructor(link: RedisLink, names: RedisNames, clock: (() => number) | undefined) {
    this.#link = link
    this.#names = names
    this.#clock = clock
  }

  async count(key: string, { max, windowMs, doublingLimit }: TryLimit): Promise<{ tries: number; opensInMs: number }> {
    const args = [this.#clock?.() ?? '', windowMs, max, doublingLimit]
    // Boundary: count-try.lua answers two numbers.
    const [tries, opensInMs] = (await this.#link.run(scripts.countTry, [this.#names.tries(key)], args)) as [
      number,
      number,
    ]
    return { tries, opensInMs }
  }

  async addUses(key: string, uses: number, windowMs: number): Promise<{ uses: number; opensInMs: number }> {
    const args = [this.#clock?.() ?? '', windowMs, uses]
    // Boundary: add-uses.lua answers two numbers.
    const [sum, opensInMs] = (await this.#link.run(scripts.addUses, [this.#names.uses(key)], args)) as [number, number]
    return { uses: sum, opensInMs }
  }
}
