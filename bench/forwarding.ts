// Forwarding, compared: the same load on every target in turn, in short rounds and many of them, so that a machine whose speed
// drifts disturbs all alike and a ratio is always of two rounds that were seconds apart.
import { saturate, type Target, type Throughput } from './load/load.ts'
import { median, middleHalf } from './measure/median.ts'
import { compareRounds, inRounds, type Rounds } from './measure/rounds.ts'
import { costOf } from './targets/process-cost.ts'

export interface Round extends Throughput {
  /** CPU a request, children included; NaN where the system does not tell. */
  cpuUs: number
  /** Share of the time that the target was on a CPU: below 0.9 something else was the limit, the service as a rule. */
  busy: number
  residentBytes: number
}

export interface Measured extends Omit<Round, 'requests'> {
  name: string
  /** Median over rounds of this target's requests/s by the first target's in the same round. */
  ratio: number
  /** The same of requests a second of CPU: what the ratio would be if a core did nothing else. */
  cpuRatio: number
  /** Between what values the middle half of them lies. */
  cpuSpread: string
}

/**
 * Measures targets in alternating rounds, after a warm-up of each.
 * @param targets the first is what the others are compared with
 * @param path what is asked for
 * @throws Error when a response was not 2xx
 */
export async function measureForwarding(
  targets: readonly Target[],
  path: string,
  { rounds, seconds }: Rounds,
): Promise<Measured[]> {
  for (const target of targets) await saturate(target, path, 2)
  const fireAt = targets.map((target) => () => fire(target, path, seconds))
  const measured = await inRounds(fireAt, rounds)
  const [first = []] = measured
  return targets.map(({ name }, i) => summarise(name, measured[i] ?? [], first))
}

/** One round of one target. @param core that the load is held to; the bench's own when absent */
export async function fire(target: Target, path: string, seconds: number, core?: string): Promise<Round> {
  const before = costOf(target.pid)
  const startedAt = performance.now()
  const responded = await saturate(target, path, seconds, core)
  const wallMs = performance.now() - startedAt
  const after = costOf(target.pid)
  const cpuMs = (after?.cpuMs ?? Number.NaN) - (before?.cpuMs ?? Number.NaN)
  return {
    ...responded,
    cpuUs: (cpuMs * 1000) / responded.requests,
    busy: cpuMs / wallMs,
    residentBytes: after?.residentBytes ?? Number.NaN,
  }
}

/** What is said of the rounds of one target beside those of the first. */
export function summarise(name: string, rounds: Round[], first: Round[]): Measured {
  const { middle, ratios } = compareRounds(rounds, first)
  const throughput = ratios((round) => round.requestsPerSecond)
  const cpu = ratios((round) => 1 / round.cpuUs)
  return {
    name,
    requestsPerSecond: middle((round) => round.requestsPerSecond),
    p50Ms: middle((round) => round.p50Ms),
    p99Ms: middle((round) => round.p99Ms),
    cpuUs: middle((round) => round.cpuUs),
    busy: middle((round) => round.busy),
    residentBytes: middle((round) => round.residentBytes),
    ratio: median(throughput),
    cpuRatio: median(cpu),
    cpuSpread: middleHalf(cpu),
  }
}
