// The budget of attempts, pure: what one attempt costs, whether it may be made, and what is left behind. The embedded store calls it;
// attempts/take.lua and give-back.lua are the same in Lua. No wait that comes out of it is longer than the budget's window,
// whatever a clock did.
import type { AttemptLimit } from './attempts.ts'

/** What is remembered of one budget. */
export interface BudgetState {
  /** When all of it will be there again, ms of the store's clock; may have a fraction. */
  fullAt: number
  /** Failures since the last success; 0 where the limit does not slow down. */
  inARow: number
}

export type CheckedBudget =
  | { outcome: 'taken'; costMs: number; state: BudgetState }
  /** `state` is there only where the clock was set back: then it must be kept, or the wait would begin anew each time. */
  | { outcome: 'refused'; waitMs: number; state: BudgetState | undefined }

/** Failures in a row are forgotten once the budget has been full for as long as so many refills of each of them take. */
const rememberedRefills = 8
const maxMemoryMs = 30 * 24 * 60 * 60_000
/** More doublings than any window has room for. */
const maxDoublings = 20
/** Fractions of a millisecond add up to no more than this. */
const roundingMs = 0.001

/**
 * Judges one attempt.
 * @param known what is remembered; undefined for a full budget
 * @returns `taken` with the time it costs, or `refused` with the time until it will not be, both in ms
 */
export function checkAttempt(known: BudgetState | undefined, limit: AttemptLimit, nowMs: number): CheckedBudget {
  const { windowMs, slowsAfter } = limit
  const inARow = known === undefined || isForgotten(known, limit, nowMs) ? 0 : known.inARow
  const aheadMs = (known?.fullAt ?? nowMs) - nowMs
  // Nothing admitted ever fills more than the window: what lies further ahead was written by a clock that was set back.
  const usedMs = Math.min(Math.max(0, aheadMs), windowMs)
  const costMs = costOf(inARow, limit)
  const waitMs = usedMs + costMs - windowMs
  if (waitMs > roundingMs) {
    const state = aheadMs > windowMs ? { fullAt: nowMs + windowMs, inARow } : undefined
    return { outcome: 'refused', waitMs: Math.ceil(waitMs), state }
  }
  const state = { fullAt: nowMs + usedMs + costMs, inARow: slowsAfter === undefined ? 0 : inARow + 1 }
  return { outcome: 'taken', costMs, state }
}

/**
 * What is remembered once an attempt was given back.
 * @param result `right`: the password was; `unchecked`: nobody looked at it
 */
export function givenBack(known: BudgetState, costMs: number, result: 'right' | 'unjudged'): BudgetState {
  return { fullAt: known.fullAt - costMs, inARow: result === 'right' ? 0 : Math.max(0, known.inARow - 1) }
}

function costOf(inARow: number, { max, windowMs, slowsAfter }: AttemptLimit): number {
  const doublings = slowsAfter === undefined ? 0 : Math.min(Math.floor(inARow / slowsAfter), maxDoublings)
  return Math.min((windowMs / max) * 2 ** doublings, windowMs)
}

function isForgotten({ fullAt, inARow }: BudgetState, { max, windowMs }: AttemptLimit, nowMs: number): boolean {
  return nowMs - fullAt >= Math.min(inARow * (windowMs / max) * rememberedRefills, maxMemoryMs)
}
