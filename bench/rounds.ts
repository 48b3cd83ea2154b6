// In which order things are measured that are to be compared. The speed of a small shared machine changes from second to
// second: what is compared must be measured in the same ones, or next to each other and often. Used by all that compare.
import { undisturbed } from './disturbance.ts'

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

// Each with its place; forwards and backwards in turn, so that a drift over a round favours nobody.
function inTurn<T>(all: readonly T[], round: number): [number, T][] {
  const placed = [...all.entries()]
  return round % 2 === 0 ? placed : placed.reverse()
}
