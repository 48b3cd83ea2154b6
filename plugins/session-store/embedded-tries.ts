// Budgets of tries of the embedded store: in memory, because one process serves it and a restart is rare. Called through the
// port only (store.ts). It must stay bounded, whatever is tried.
import { RecentMap } from '../recent-map.ts'
import { type BudgetState, givenBack, judgeTry } from './try-budget.ts'
import type { Budget, TakenTry, TakeOutcome, TryStore } from './try-store.ts'

/** Budgets remembered; the ones least recently tried are forgotten first. */
const budgetLimit = 300_000

export class EmbeddedTries implements TryStore {
  readonly #budgets = new RecentMap<BudgetState>(budgetLimit)
  readonly #uses = new RecentMap<{ window: number; uses: number }>(budgetLimit)
  readonly #clock: () => number

  /** @param clock ms; best one that nobody sets */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  async take(owner: string, budgets: readonly Budget[]): Promise<TakeOutcome> {
    const nowMs = this.#clock()
    const judged = budgets.map((budget) => {
      const key = keyOf(owner, budget)
      return { budget, key, verdict: judgeTry(this.#budgets.get(key), budget.limit, nowMs) }
    })
    let refused: Extract<TakeOutcome, { outcome: 'refused' }> | undefined
    for (const { budget, key, verdict } of judged) {
      if (verdict.outcome === 'taken') continue
      if (verdict.state !== undefined) this.#budgets.set(key, verdict.state)
      if (verdict.waitMs > (refused?.waitMs ?? 0)) refused = { outcome: 'refused', by: budget, waitMs: verdict.waitMs }
    }
    if (refused !== undefined) return refused
    const taken: TakenTry[] = []
    for (const { budget, key, verdict } of judged) {
      if (verdict.outcome === 'refused') continue
      this.#budgets.set(key, verdict.state)
      taken.push({ ...budget, costMs: verdict.costMs, inARow: verdict.state.inARow })
    }
    return { outcome: 'taken', taken }
  }

  async giveBack(owner: string, taken: readonly TakenTry[], verdict: 'right' | 'unjudged'): Promise<void> {
    for (const one of taken) {
      const key = keyOf(owner, one)
      const known = this.#budgets.get(key)
      if (known !== undefined) this.#budgets.set(key, givenBack(known, one.costMs, verdict))
    }
  }

  async addUses(key: string, uses: number, windowMs: number): Promise<{ uses: number; opensInMs: number }> {
    const nowMs = this.#clock()
    const window = Math.floor(nowMs / windowMs)
    const known = this.#uses.get(key)
    // A later window than this one: the clock was set back, and nothing is forgiven for it.
    const sum = known && known.window >= window ? known.uses + uses : uses
    this.#uses.set(key, { window, uses: sum })
    return { uses: sum, opensInMs: (window + 1) * windowMs - nowMs }
  }
}

function keyOf(owner: string, { name }: Budget): string {
  return JSON.stringify([owner, name])
}
