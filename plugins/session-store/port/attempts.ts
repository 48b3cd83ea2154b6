// The part of the store port that counts attempts and uses, for all nodes of a store together. Two adapters implement it, the
// contract holds both to it.

/** A budget of attempts. It fills steadily: an empty one is full again after `windowMs`. */
export interface AttemptLimit {
  /** Tries that a full budget holds. */
  max: number
  windowMs: number
  /**
   * After so many failures in a row an attempt costs twice as much of the budget, after twice as many four times, and so on up to
   * all of it. Never when absent.
   */
  slowsAfter?: number
}

/** One budget of an owner. */
export interface Budget {
  /** Kept as a keyed hash where others could read it; an owner's budgets differ in it. */
  name: string
  limit: AttemptLimit
}

/** An attempt that was taken from a budget: what must be known to give it back. */
export interface TakenAttempt extends Budget {
  costMs: number
  /** Failures since the last success, this attempt counted as one; 0 where the limit does not slow down. */
  inARow: number
}

export type TakeOutcome =
  | { outcome: 'taken'; taken: TakenAttempt[] }
  /** Nothing was taken. `by` is the budget with the longest wait; after `waitMs` it has room, if nobody takes it before. */
  | { outcome: 'refused'; by: Budget; waitMs: number }

/**
 * Counts attempts, for all nodes of the store together. An attempt is taken before anybody looks at the password, so that of many at
 * once none is too many, and given back when it was no failure. A refused try takes nothing: what was said of the wait stays
 * true. No wait is longer than the window, whatever a clock does.
 */
export interface AttemptStore {
  /**
   * Takes one attempt from each budget, or from none, in one step.
   * @param owner whose budgets they are; kept as a keyed hash where others could read it, because people type passwords into
   * the wrong field
   * @param budgets at least one, in one place of the store
   */
  take(owner: string, budgets: readonly Budget[]): Promise<TakeOutcome>
  /**
   * Gives back what `take` took. What is forgotten meanwhile stays forgotten.
   * @param result `right`: the password was, so failures in a row begin anew; `unchecked`: nobody looked at it
   */
  giveBack(owner: string, taken: readonly TakenAttempt[], result: 'right' | 'unjudged'): Promise<void>
  /**
   * Adds uses that were counted elsewhere, in plain windows that follow one another; for limits that nodes settle in batches.
   * @param key who uses what; kept as a keyed hash where others could read it
   * @returns uses in the window that is open now, these included, and when it ends, ms from now
   */
  addHits(key: string, hits: number, windowMs: number): Promise<{ hits: number; opensInMs: number }>
}
