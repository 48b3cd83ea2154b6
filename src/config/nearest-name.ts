// The name somebody probably meant: for keys and variables that are not known. It only suggests; nothing is ever taken for
// something else.

/**
 * Finds the nearest of some names.
 * @param name as written
 * @param candidates the names that exist
 * @returns the nearest one when it is near enough to be meant, else undefined
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const written = name.toLowerCase()
  const ranked = candidates.map((candidate) => ({ candidate, distance: distance(written, candidate.toLowerCase()) }))
  const [best] = ranked.sort((a, b) => a.distance - b.distance)
  return best && best.distance <= Math.max(2, Math.floor(name.length / 3)) ? best.candidate : undefined
}

// Edits (insert, remove, replace) between two texts, after Levenshtein.
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
