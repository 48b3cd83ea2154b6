// Forwarding, compared: the same load on every target in turn, round after round, so that a noisy machine disturbs all alike.
import { type Answered, load, saturate, type Target } from './load.ts'
import { costOf } from './process-cost.ts'

interface Round extends Answered {
  cpuUs: number
  residentBytes: number
}

export interface Measured {
  name: string
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  /** CPU a request, children included; NaN where the system does not tell. */
  cpuUs: number
  residentBytes: number
  /** Median over rounds of this target's requests/s by the first target's in the same round. */
  ratio: number
}

export interface Rounds {
  rounds: number
  seconds: number
}

/**
 * Measures targets in alternating rounds, after a warm-up of each.
 * @param targets the first is what the others are compared with
 * @param path what is asked for
 * @throws Error when an answer was not 2xx
 */
export async function measureForwarding(
  targets: readonly Target[],
  path: string,
  { rounds, seconds }: Rounds,
): Promise<Measured[]> {
  const measured = targets.map((): Round[] => [])
  for (const target of targets) await saturate(target, path, 2)
  for (let round = 0; round < rounds; round++) {
    for (const [i, target] of targets.entries()) measured[i]?.push(await fire(target, path, seconds))
  }
  const [first = []] = measured
  return targets.map(({ name }, i) => summarise(name, measured[i] ?? [], first))
}

/**
 * The p99 that a target adds to the first one's, each at half of what the target reached.
 * @param halfRate requests a second
 */
export async function addedLatencyMs(
  [first, target]: readonly [Target, Target],
  path: string,
  halfRate: number,
  { rounds, seconds }: Rounds,
): Promise<number> {
  const added: number[] = []
  for (let round = 0; round < rounds; round++) {
    const without = await load(first, path, seconds, halfRate)
    const through = await load(target, path, seconds, halfRate)
    added.push(through.p99Ms - without.p99Ms)
  }
  return median(added)
}

async function fire(target: Target, path: string, seconds: number): Promise<Round> {
  const before = costOf(target.pid)
  const answered = await saturate(target, path, seconds)
  const after = costOf(target.pid)
  const cpuMs = (after?.cpuMs ?? Number.NaN) - (before?.cpuMs ?? Number.NaN)
  return { ...answered, cpuUs: (cpuMs * 1000) / answered.requests, residentBytes: after?.residentBytes ?? Number.NaN }
}

function summarise(name: string, rounds: Round[], first: Round[]): Measured {
  const middle = (of: (round: Round) => number) => median(rounds.map(of))
  return {
    name,
    requestsPerSecond: middle((round) => round.requestsPerSecond),
    p50Ms: middle((round) => round.p50Ms),
    p99Ms: middle((round) => round.p99Ms),
    cpuUs: middle((round) => round.cpuUs),
    residentBytes: middle((round) => round.residentBytes),
    ratio: median(rounds.map((round, i) => round.requestsPerSecond / (first[i]?.requestsPerSecond ?? Number.NaN))),
  }
}

/** The middle value; of an even number, the lower of the two. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}
