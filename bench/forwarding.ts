// Authenticated forwarding against the bare limit: the same load on both in turn, so that a noisy machine disturbs both.
import autocannon from 'autocannon'

export interface Target {
  name: string
  url: string
  headers: Record<string, string>
}

interface Round {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
}

export interface Measured extends Round {
  name: string
  /** Median over rounds of this target's requests/s by the first target's in the same round. */
  ratio: number
}

const connections = 64

/**
 * Measures targets in alternating rounds.
 * @param targets the first is what the others are compared with
 * @param path what is asked for
 * @param rounds how many times each is measured, after one warm-up
 * @param seconds how long each round lasts
 * @throws Error when an answer was not 2xx: a wrong answer is not a fast one
 */
export async function measureForwarding(
  targets: Target[],
  path: string,
  rounds: number,
  seconds: number,
): Promise<Measured[]> {
  const results = new Map<string, Round[]>(targets.map(({ name }) => [name, []]))
  for (const target of targets) await fire(target, path, 2)
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) results.get(target.name)?.push(await fire(target, path, seconds))
  }
  const [limit = []] = results.values()
  return targets.map(({ name }) => summarise(name, results.get(name) ?? [], limit))
}

async function fire({ name, url, headers }: Target, path: string, duration: number): Promise<Round> {
  const result = await autocannon({ url: url + path, connections, duration, headers })
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${name}: ${result.non2xx} answers were not 2xx`)
  const { requests, latency } = result
  return { requestsPerSecond: requests.average, p50Ms: latency.p50, p99Ms: latency.p99 }
}

function summarise(name: string, rounds: Round[], limit: Round[]): Measured {
  return {
    name,
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    p50Ms: median(rounds.map((round) => round.p50Ms)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    ratio: median(rounds.map((round, i) => round.requestsPerSecond / (limit[i]?.requestsPerSecond ?? Number.NaN))),
  }
}

/** The middle value; of an even number, the lower of the two. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}
