// The clock a test holds: time stands still until the test moves it.

export class Clock {
  nowMs: number

  /** @param startMs by default an odd millisecond, so that a lost fraction of a second shows */
  constructor(startMs = 1_700_000_000_123) {
    this.nowMs = startMs
  }

  /** What is passed on as the clock; bound, so that it can be passed as it is. */
  readonly now = (): number => this.nowMs

  /** The clock beside it that nobody can set: only time that passes moves it. */
  readonly monotonic = (): number => this.#passedMs

  #passedMs = 5_000

  advance(ms: number): void {
    this.nowMs += ms
    this.#passedMs += ms
  }

  /** Sets the clock: no time passes. */
  jump(ms: number): void {
    this.nowMs += ms
  }
}
