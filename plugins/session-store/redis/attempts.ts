// Budgets of attempts in Redis: one small value a budget, which goes by itself when all is forgotten. Its name is a keyed
// hash: what people typed as a user name never stands in the store.

import type { AttemptStore, Budget, TakenAttempt, TakeOutcome } from '../port/attempts.ts'
import type { RedisLink } from './connection/link.ts'
import type { RedisNames } from './key-names.ts'
import { scripts } from './scripts.ts'

export class RedisAttempts implements AttemptStore {
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
    const keys = budgets.map(({ name }) => this.#names.attempts(owner, name))
    // Boundary: attempts/take.lua answers whole numbers and, in even places, costs as text.
    const [isTaken, ...rest] = (await this.#link.run(scripts.takeAttempt, keys, [this.#now(), ...limits])) as (
      | number
      | Buffer
    )[]
    const number = (at: number) => Number(String(rest[at]))
    const by = budgets[number(0) - 1]
    if (isTaken === 0 && by !== undefined) return { outcome: 'refused', by, waitMs: number(1) }
    const taken = budgets.map((budget, n) => ({ ...budget, costMs: number(2 * n), inARow: number(2 * n + 1) }))
    return { outcome: 'taken', taken }
  }

  async giveBack(owner: string, taken: readonly TakenAttempt[], result: 'right' | 'unjudged'): Promise<void> {
    const keys = taken.map(({ name }) => this.#names.attempts(owner, name))
    const costs = taken.flatMap(({ limit, costMs }) => [limit.max, limit.windowMs, costMs])
    await this.#link.run(scripts.giveBack, keys, [this.#now(), result, ...costs])
  }

  async addHits(key: string, hits: number, windowMs: number): Promise<{ hits: number; opensInMs: number }> {
    const args = [this.#now(), windowMs, hits]
    // Boundary: add-uses.lua answers two numbers.
    const [sum, opensInMs] = (await this.#link.run(scripts.addHits, [this.#names.hits(key)], args)) as [number, number]
    return { hits: sum, opensInMs }
  }

  #now(): number | '' {
    return this.#clock?.() ?? ''
  }
}
