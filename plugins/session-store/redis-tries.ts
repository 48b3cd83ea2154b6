// Budgets of tries in Redis: one small value a budget, which goes by itself when all is forgotten. Called through the port only
// (store.ts). Its name is a keyed hash: what people typed as a user name never stands in the store.
import type { RedisLink } from './redis-link.ts'
import type { RedisNames } from './redis-names.ts'
import { scripts } from './redis-scripts.ts'
import type { Budget, TakenTry, TakeOutcome, TryStore } from './try-store.ts'

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

  async take(owner: string, budgets: readonly Budget[]): Promise<TakeOutcome> {
    const limits = budgets.flatMap(({ limit }) => [limit.max, limit.windowMs, limit.slowsAfter ?? 0])
    const keys = budgets.map(({ name }) => this.#names.tries(owner, name))
    // Boundary: take-tries.lua answers whole numbers and, in even places, costs as text.
    const [isTaken, ...rest] = (await this.#link.run(scripts.takeTries, keys, [this.#now(), ...limits])) as (
      | number
      | Buffer
    )[]
    const number = (at: number) => Number(String(rest[at]))
    const by = budgets[number(0) - 1]
    if (isTaken === 0 && by !== undefined) return { outcome: 'refused', by, waitMs: number(1) }
    const taken = budgets.map((budget, n) => ({ ...budget, costMs: number(2 * n), inARow: number(2 * n + 1) }))
    return { outcome: 'taken', taken }
  }

  async giveBack(owner: string, taken: readonly TakenTry[], verdict: 'right' | 'unjudged'): Promise<void> {
    const keys = taken.map(({ name }) => this.#names.tries(owner, name))
    const costs = taken.flatMap(({ limit, costMs }) => [limit.max, limit.windowMs, costMs])
    await this.#link.run(scripts.giveBack, keys, [this.#now(), verdict, ...costs])
  }

  async addUses(key: string, uses: number, windowMs: number): Promise<{ uses: number; opensInMs: number }> {
    const args = [this.#now(), windowMs, uses]
    // Boundary: add-uses.lua answers two numbers.
    const [sum, opensInMs] = (await this.#link.run(scripts.addUses, [this.#names.uses(key)], args)) as [number, number]
    return { uses: sum, opensInMs }
  }

  #now(): number | '' {
    return this.#clock?.() ?? ''
  }
}
