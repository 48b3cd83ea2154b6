// Refreshes a second: sessions that rotate as fast as they are answered, each with the token it was given last.
import { Pool } from 'undici'
import { median } from './forwarding.ts'

export interface Refreshed {
  refreshesPerSecond: number
  p50Ms: number
  p99Ms: number
}

export interface Compared extends Refreshed {
  /** Median over rounds of these refreshes/s by the first gateway's in the same round. */
  ratio: number
}

const sessions = 32

/** One round of rotating as fast as answers come. */
export type RefreshRound = (seconds: number) => Promise<Refreshed>

/**
 * Signs many sessions in, and warms the gateway up.
 * @param url the gateway
 * @param signIn gives the refresh token of a new session
 */
export async function prepareRefreshing(url: string, signIn: () => Promise<string>): Promise<RefreshRound> {
  const pool = new Pool(url, { connections: sessions })
  const tokens: string[] = []
  for (let i = 0; i < sessions; i++) tokens.push(await signIn())
  await rotateFor(pool, tokens, 1)
  return (seconds) => rotateFor(pool, tokens, seconds)
}

/**
 * Measures gateways in alternating rounds, so that a noisy machine disturbs all of them.
 * @param gateways each prepared; the first is what the others are compared with
 * @param rounds measured rounds of each; the medians are returned
 * @param seconds how long each lasts
 */
export async function measureRefreshing(
  gateways: readonly RefreshRound[],
  rounds: number,
  seconds: number,
): Promise<Compared[]> {
  const measured = gateways.map((): Refreshed[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, refresh] of gateways.entries()) measured[i]?.push(await refresh(seconds))
  }
  const [first = []] = measured
  return measured.map((own) => ({
    refreshesPerSecond: median(own.map((round) => round.refreshesPerSecond)),
    p50Ms: median(own.map((round) => round.p50Ms)),
    p99Ms: median(own.map((round) => round.p99Ms)),
    ratio: median(own.map((round, i) => round.refreshesPerSecond / (first[i]?.refreshesPerSecond ?? Number.NaN))),
  }))
}

async function rotateFor(pool: Pool, tokens: string[], seconds: number): Promise<Refreshed> {
  const latencies: number[] = []
  const end = performance.now() + seconds * 1000
  const rotateOne = async (client: number) => {
    while (performance.now() < end) {
      const began = performance.now()
      tokens[client] = await rotate(pool, tokens[client] ?? '')
      latencies.push(performance.now() - began)
    }
  }
  await Promise.all(tokens.map((_, client) => rotateOne(client)))
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? Number.NaN
  return { refreshesPerSecond: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

async function rotate(pool: Pool, refreshToken: string): Promise<string> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/auth/token',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: refreshToken }),
  })
  if (statusCode !== 200) throw new Error(`a refresh answered ${statusCode}: ${await body.text()}`)
  // The shape of a token response, design section 6.
  const { refresh_token } = (await body.json()) as { refresh_token: string }
  return refresh_token
}
