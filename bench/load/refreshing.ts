// Refreshes a second: sessions that rotate as fast as they are answered, each with the token it was given last, over raw sockets
// so that the load leaves its core to the store.
import { median, middleHalf } from '../measure/median.ts'
import { compareRounds, inRounds, type Rounds } from '../measure/rounds.ts'
import { costOf } from '../targets/process-cost.ts'
import { RawConnection, requestText } from './raw-connection.ts'

/** A gateway to be measured, and who works for it. */
export interface Refreshable {
  url: string
  pid: number
  /** The store's process, where the store is one. */
  storePid?: number | undefined
}

export interface Refreshed {
  refreshesPerSecond: number
  p50Ms: number
  p99Ms: number
  /** CPU of the gateway a refresh; NaN where the system does not tell, as with the next. */
  cpuUs: number
  /** CPU of the store's process a refresh. */
  storeCpuUs: number
  /** Share of the time that the gateway was on a CPU: below 0.9 something else was the limit. */
  busy: number
  /** Share of its core that the load and the store's process took together. */
  otherBusy: number
}

export interface Compared extends Refreshed {
  /** Median over rounds of these refreshes/s by the first gateway's in the same round. */
  ratio: number
  /** The same of refreshes a second of the gateway's CPU, and of both processes' together. */
  cpuRatio: number
  cpuSpread: string
  wholeCpuRatio: number
}

/** One round of rotating as fast as answers come. */
export type RefreshRound = (seconds: number) => Promise<Refreshed>

const sessions = 32
/** Of each round, before anything is counted: what is written behind the responses is then under way, as it is at the end, s. */
const leadSeconds = 0.3

/**
 * Signs many sessions in, and warms the gateway up.
 * @param signIn gives the refresh token of a new session
 */
export async function prepareRefreshing(gateway: Refreshable, signIn: () => Promise<string>): Promise<RefreshRound> {
  const tokens: string[] = []
  for (let i = 0; i < sessions; i++) tokens.push(await signIn())
  await rotateFor(gateway, tokens, 1)
  return (seconds) => rotateFor(gateway, tokens, seconds)
}

/**
 * Measures gateways in rounds.
 * @param gateways each prepared; the first is what the others are compared with
 */
export async function measureRefreshing(
  gateways: readonly RefreshRound[],
  { rounds, seconds }: Rounds,
): Promise<Compared[]> {
  const refreshAt = gateways.map((refresh) => () => refresh(seconds))
  const measured = await inRounds(refreshAt, rounds)
  const [first = []] = measured
  return measured.map((own) => compare(own, first))
}

function compare(own: readonly Refreshed[], first: readonly Refreshed[]): Compared {
  const { middle, ratios } = compareRounds(own, first)
  const cpu = ratios(({ cpuUs }) => 1 / cpuUs)
  const throughput = ratios(({ refreshesPerSecond }) => refreshesPerSecond)
  return {
    refreshesPerSecond: middle((round) => round.refreshesPerSecond),
    p50Ms: middle((round) => round.p50Ms),
    p99Ms: middle((round) => round.p99Ms),
    cpuUs: middle((round) => round.cpuUs),
    storeCpuUs: middle((round) => round.storeCpuUs),
    busy: middle((round) => round.busy),
    otherBusy: middle((round) => round.otherBusy),
    ratio: median(throughput),
    cpuRatio: median(cpu),
    cpuSpread: middleHalf(cpu),
    wholeCpuRatio: median(ratios(({ cpuUs, storeCpuUs }) => 1 / (cpuUs + storeCpuUs))),
  }
}

async function rotateFor(gateway: Refreshable, tokens: string[], seconds: number): Promise<Refreshed> {
  const failed = Promise.withResolvers<never>()
  const connections = await Promise.all(tokens.map(() => RawConnection.open(gateway.url, failed.reject)))
  const rotateAll = (endsAt: number) =>
    Promise.race([
      Promise.all(connections.map((one, i) => rotateUntil(endsAt, one, gateway.url, tokens, i))),
      failed.promise,
    ])
  await rotateAll(performance.now() + leadSeconds * 1000)
  const before = costs(gateway)
  const startedAt = performance.now()
  const tookMs = (await rotateAll(startedAt + seconds * 1000)).flat().sort((a, b) => a - b)
  const wallMs = performance.now() - startedAt
  const after = costs(gateway)
  for (const connection of connections) connection.close()
  const refreshes = tookMs.length
  const spent = after.map((ms, i) => ms - (before[i] ?? Number.NaN))
  const [ownMs = Number.NaN, storeMs = Number.NaN, loadMs = Number.NaN] = spent
  return {
    refreshesPerSecond: (refreshes * 1000) / wallMs,
    p50Ms: tookMs[Math.floor(refreshes * 0.5)] ?? Number.NaN,
    p99Ms: tookMs[Math.floor(refreshes * 0.99)] ?? Number.NaN,
    cpuUs: (ownMs * 1000) / refreshes,
    storeCpuUs: (storeMs * 1000) / refreshes,
    busy: ownMs / wallMs,
    otherBusy: (loadMs + storeMs) / wallMs,
  }
}

// CPU so far, ms: of the gateway, of the store's process (0 without one) and of the load, which is this process.
function costs({ pid, storePid }: Refreshable): number[] {
  const storeMs = storePid === undefined ? 0 : costOf(storePid)?.cpuMs
  const { user, system } = process.cpuUsage()
  return [costOf(pid)?.cpuMs ?? Number.NaN, storeMs ?? Number.NaN, (user + system) / 1000]
}

// One session, one request at a time. Resolves with what each took, ms.
function rotateUntil(
  endsAt: number,
  connection: RawConnection,
  url: string,
  tokens: string[],
  client: number,
): Promise<number[]> {
  const { promise, resolve } = Promise.withResolvers<number[]>()
  const tookMs: number[] = []
  const rotate = () => {
    const startedAt = performance.now()
    const body = JSON.stringify({ grant_type: 'refresh_token', refresh_token: tokens[client] })
    connection.ask(requestText(url, '/auth/token', {}, body), (response) => {
      const now = performance.now()
      tookMs.push(now - startedAt)
      tokens[client] = refreshTokenIn(response)
      if (now < endsAt) rotate()
      else resolve(tookMs)
    })
  }
  rotate()
  return promise
}

function refreshTokenIn(response: Buffer): string {
  // The shape of a token response (docs/reference.md#http-routes).
  return (JSON.parse(response.toString()) as { refresh_token: string }).refresh_token
}
