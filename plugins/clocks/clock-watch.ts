// A watch over one clock that can be set: it compares that clock with the monotonic one, which cannot.

/** Between two looks clocks are slewed by fractions of a millisecond; more than this is a jump, ms. */
export const jumpMs = 2_000

export class ClockWatch {
  #offsetMs: number | undefined

  /** Goes on from what another watch over the same clock saw last. */
  takeOver(before: ClockWatch): void {
    this.#offsetMs = before.#offsetMs
  }

  /**
   * Looks at the clock.
   * @param wallMs what it says now
   * @param monotonicMs what the monotonic clock says at the same moment
   * @returns by how much it was set since the last look, ms, ahead when positive; 0 when it was not, and at the first look
   */
  look(wallMs: number, monotonicMs: number): number {
    const offsetMs = wallMs - monotonicMs
    const movedMs = offsetMs - (this.#offsetMs ?? offsetMs)
    this.#offsetMs = offsetMs
    return Math.abs(movedMs) > jumpMs ? movedMs : 0
  }
}

/**
 * How a jump is told.
 * @param byMs ahead when positive
 * @returns `went 600 s ahead`
 */
export function describeJump(byMs: number): string {
  return `went ${Math.round(Math.abs(byMs) / 1000)} s ${byMs > 0 ? 'ahead' : 'back'}`
}

/**
 * The monotonic clock that belongs to a wall clock: the machine's own, or for one that a test holds that one itself.
 * @param clock ms since 1970
 */
export function monotonicOf(clock: () => number): () => number {
  return clock === Date.now ? () => performance.now() : clock
}
