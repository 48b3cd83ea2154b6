// Counts by name, of a closed list: every name is there from the start, so that a metric shows what has not happened yet.

export type Counts = Map<string, number>

/** Nothing yet, of each. */
export function newCounts(names: readonly string[]): Counts {
  return new Map(names.map((name) => [name, 0]))
}

/** One more of a name. */
export function countUp(counts: Counts, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
