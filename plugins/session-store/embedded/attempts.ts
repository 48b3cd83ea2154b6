// Budgets of attempts of the embedded store: in memory, because one process serves it and a restart is rare. It must stay
// bounded, whatever is tried.
import { LruMap } from '../../collections/lru-map.ts'
import { type BudgetState, checkAttempt, givenBack } from '../port/attempt-budget.ts'
import type { AttemptStore, Budget, TakenAttempt, TakeOutcome } from '../port/attempts.ts'

/** Budgets remembered; the ones least recently tried are forgotten first. */
const budgetLimit = 300_000

export class EmbeddedAttempts implements AttemptStore {
  readonly #budgets = new LruMap<BudgetState>(budgetLimit)
  readonly #hits = new LruMap<{ window: number; hits: number }>(budgetLimit)
  readonly #clock: () => number

  /** @param clock ms; best one that nobody sets */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  async take(owner: string, budgets: readonly Budget[]): Promise<TakeOutcome> {
    const nowMs = this.#clock()
    const checked = budgets.map((budget) => {
      const key = keyOf(owner, budget)
      return { budget, key, result: checkAttempt(this.#budgets.get(key), budget.limit, nowMs) }
    })
    let refused: Extract<TakeOutcome, { outcome: 'refused' }> | undefined
    for (const { budget, key, result } of checked) {
      if (result.outcome === 'taken') continue
      if (result.state !== undefined) this.#budgets.set(key, result.state)
      if (result.waitMs > (refused?.waitMs ?? 0)) refused = { outcome: 'refused', by: budget, waitMs: result.waitMs }
    }
    if (refused !== undefined) return refused
    const taken: TakenAttempt[] = []
    for (const { budget, key, result } of checked) {
      if (result.outcome === 'refused') continue
      this.#budgets.set(key, result.state)
      taken.push({ ...budget, costMs: result.costMs, inARow: result.state.inARow })
    }
    return { outcome: 'taken', taken }
  }

  async giveBack(owner: string, taken: readonly TakenAttempt[], result: 'right' | 'unjudged'): Promise<void> {
    for (const one of taken) {
      const key = keyOf(owner, one)
      const known = this.#budgets.get(key)
      if (known !== undefined) this.#budgets.set(key, givenBack(known, one.costMs, result))
    }
  }

  async addHits(key: string, hits: number, windowMs: number): Promise<{ hits: number; opensInMs: number }> {
    const nowMs = this.#clock()
    const window = Math.floor(nowMs / windowMs)
    const known = this.#hits.get(key)
    // A later window than this one: the clock was set back, and nothing is forgiven for it.
    const sum = known && known.window >= window ? known.hits + hits : hits
    this.#hits.set(key, { window, hits: sum })
    return { hits: sum, opensInMs: (window + 1) * windowMs - nowMs }
  }
}

function keyOf(owner: string, { name }: Budget): string {
  return JSON.stringify([owner, name])
}
