// The one statistic of the benches.

/** The middle value; of an even number, the lower of the two; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}

/** The values between which the middle half of all lies, as `0.92 to 0.97`. */
export function middleHalf(values: readonly number[], digits = 2): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN).toFixed(digits)
  return `${at(0.25)} to ${at(0.75)}`
}
