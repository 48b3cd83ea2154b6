// Counts of durations in fixed buckets, for what happens so often that a metric library would be felt: everything is
// allocated when it is made, and an observation allocates nothing.

/** Upper bounds of buckets, s. */
export const latencyBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

export class Histogram {
  readonly bounds: readonly number[]
  /** One more than there are bounds: the last is for what is above them all. Not cumulative. */
  readonly counts: Float64Array
  sum = 0

  /** @param bounds rising */
  constructor(bounds: readonly number[] = latencyBounds) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
    counts[at] = (counts[at] ?? 0) + 1
    this.sum += value
  }
}
