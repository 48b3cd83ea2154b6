// In which order things are measured that are to be compared, and how they then are. The speed of a small shared machine
// changes from second to second: what is compared must be measured in the same ones, or next to each other and often. Used by
// all that compare.
import { undisturbed } from './disturbance.ts'
import { median } from './median.ts'

export interface Rounds {
  rounds: number
  seconds: number
  /**
   * All at the same time, sharing their core. Then requests/s say nothing, but CPU a request can be compared to a hundredth:
   * whatever slows one slows all. In turn otherwise.
   */
  atOnce?: boolean
}

/**
 * Measures each of several things in every round.
 * @returns what each measured, in order of the rounds
 */
export async function inRounds<T>(
  measures: readonly (() => Promise<T>)[],
  rounds: number,
  atOnce = false,
): Promise<T[][]> {
  const measured = measures.map((): T[] => [])
  for (let round = 0; round < rounds; round++) {
    const results = atOnce ? await undisturbed(() => Promise.all(measures.map((measure) => measure()))) : undefined
    for (const [i, measure] of inTurn(measures, round)) measured[i]?.push(results?.[i] ?? (await undisturbed(measure)))
  }
  return measured
}

/**
 * What is said of the rounds of one thing beside those of another.
 * @param first measured in the same rounds
 * @returns `middle`: the median of a figure; `ratios`: that figure by the other's of the same round
 */
export function compareRounds<Round>(own: readonly Round[], first: readonly Round[]) {
  const middle = (of: (round: Round) => number) => median(own.map(of))
  const ratios = (of: (round: Round) => number) => own.map((round, i) => of(round) / of(first[i] ?? round))
  return { middle, ratios }
}

// Each with its place; forwards and backwards in turn, so that a drift over a round favours nobody.
function inTurn<T>(all: readonly T[], round: number): [number, T][] {
  const placed = [...all.entries()]
  return round % 2 === 0 ? placed : placed.reverse()
}
