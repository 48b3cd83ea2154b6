// In which order things are measured that are to be compared, and how they then are. The speed of a small shared machine
// changes from second to second: what is compared must be measured in the same ones, or next to each other and often.
import { undisturbed } from './disturbance.ts'
import { median } from './median.ts'

export interface Rounds {
  rounds: number
  seconds: number
}

/** What can be measured in two states. */
export interface Switchable<T> {
  switchOver: () => Promise<void>
  measure: (seconds: number) => Promise<T>
}

/** What each of two measured in one state: both at the same time with the other in the other state. */
export interface Crossed<T> {
  off: readonly [T, T]
  on: readonly [T, T]
}

/**
 * Measures each of several things in every round.
 * @returns what each measured, in order of the rounds
 */
export async function inRounds<T>(measures: readonly (() => Promise<T>)[], rounds: number): Promise<T[][]> {
  const measured = measures.map((): T[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, measure] of inTurn(measures, round)) measured[i]?.push(await undisturbed(measure))
  }
  return measured
}

/**
 * Measures two that are alike at the same time, the one off and the other on, and then the other way round. For differences of
 * a hundredth: two processes that are alike differ by more, and so does one from a second to the next.
 * @param pair both are off, and are so again afterwards
 */
export async function inCrossedRounds<T>(
  [one, other]: readonly [Switchable<T>, Switchable<T>],
  { rounds, seconds }: Rounds,
): Promise<Crossed<T>[]> {
  const both = () => undisturbed(() => Promise.all([one.measure(seconds), other.measure(seconds)]))
  const measured: Crossed<T>[] = []
  await other.switchOver()
  for (let round = 0; round < rounds; round++) {
    const [oneOff, otherOn] = await both()
    await Promise.all([one.switchOver(), other.switchOver()])
    const [oneOn, otherOff] = await both()
    await Promise.all([one.switchOver(), other.switchOver()])
    measured.push({ off: [oneOff, otherOff], on: [oneOn, otherOn] })
  }
  await other.switchOver()
  return measured
}

/**
 * What is said of a pair.
 * @returns `middle`: medians of a figure in both states; `ratios`: of each round, off by on, the geometric mean of both
 */
export function compareCrossed<T>(crossed: readonly Crossed<T>[], of: (measured: T) => number) {
  const middle = (state: keyof Crossed<T>) => median(crossed.flatMap((round) => round[state].map(of)))
  const product = ([one, other]: readonly [T, T]) => of(one) * of(other)
  const ratios = crossed.map(({ off, on }) => Math.sqrt(product(off) / product(on)))
  return { off: middle('off'), on: middle('on'), ratios }
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
