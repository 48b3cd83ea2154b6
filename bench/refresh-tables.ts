// The tables of refreshing: the whole gateway on each store, and on Redis beside the same route with signing alone and beside
// a bare loop of the same script.

import { type Compared, measureRefreshing, prepareRefreshing, type RefreshRound } from './load/refreshing.ts'
import type { Rounds } from './measure/rounds.ts'
import { withRedis } from './redis/tables.ts'
import { type BenchGatewayOptions, signIn, startGateway } from './targets/gateway.ts'
import { measuredCore, runToEnd, stopAll } from './targets/processes.ts'

const bareRotations = '100000'
const columns = ['refreshes/s', 'p50 ms', 'p99 ms', 'CPU us a refresh', '1 s of CPU', 'CPU busy']

/** A gateway to be measured: its file, and settings beside those of every bench. */
type Startable = Pick<BenchGatewayOptions, 'file' | 'env'>

/** Prints the table of refreshing on the embedded store. */
export async function printEmbeddedRefreshing(
  folder: string,
  algorithms: readonly string[],
  rounds: Rounds,
): Promise<void> {
  printHead(['refreshing, embedded store, 32 sessions at once', ...columns])
  for (const alg of algorithms) {
    const [measured] = await compareRefreshing(folder, [{ env: { CARDEA_SIGNING_ALG: alg } }], rounds)
    if (measured) console.log(`| ${alg} | ${cellsOf(measured)} |`)
  }
  console.log()
}

/**
 * Prints the table of refreshing on Redis.
 * @param algorithms each is a pair of rows
 */
export async function printRedisRefreshing(
  folder: string,
  algorithms: readonly string[],
  rounds: Rounds,
): Promise<void> {
  printHead(['refreshing on Redis, one core', ...columns, 'Redis CPU us', 'of signing alone'])
  const others: number[] = []
  for (const alg of algorithms) {
    // Each on a Redis of its own: a gateway goes on signing with the key that it finds.
    await withRedis(async ({ url, process: redis }) => {
      const env = { CARDEA_SIGNING_ALG: alg }
      const gateways = [{ file: 'bench/targets/storeless-gateway.ts', env }, { env: { ...env, REDIS_URL: url } }]
      const [alone, whole] = await compareRefreshing(folder, gateways, rounds, redis().pid)
      if (alone) console.log(`| ${alg}, signing alone: no store, nothing recorded | ${cellsOf(alone)} | | 1 |`)
      if (whole === undefined) return
      const store = `${whole.storeCpuUs.toFixed(0)} | ${whole.ratio.toFixed(2)}`
      console.log(`| ${alg}, the gateway on Redis | ${cellsOf(whole)} | ${store} |`)
      others.push(whole.otherBusy)
    })
  }
  await withRedis(({ url }) => printBare(url))
  console.log(`\nThe load and Redis took ${percent(Math.max(...others))} of the other core at most.\n`)
}

async function printBare(url: string): Promise<void> {
  for (const line of await runToEnd('bench/redis/refresh.ts', [bareRotations], measuredCore, { REDIS_URL: url })) {
    const [, title, perSecond, p50, p99, node] =
      /^(.*?) +(\d+)\/s +p50 ([\d.]+) ms +p99 ([\d.]+) ms +([\d.]+) us/.exec(line) ?? []
    if (title === undefined) throw new Error(`bench/redis/refresh.ts said: ${line}`)
    console.log(`| ${[title, perSecond, Number(p50).toFixed(1), Number(p99).toFixed(1), node].join(' | ')} | | | | |`)
  }
}

// Starts gateways, measures them in turn, and ends them.
async function compareRefreshing(
  folder: string,
  gateways: readonly Startable[],
  rounds: Rounds,
  storePid?: number,
): Promise<Compared[]> {
  const prepared: RefreshRound[] = []
  for (const gateway of gateways) prepared.push(await startRefreshing(folder, gateway, storePid))
  const measured = await measureRefreshing(prepared, rounds)
  // The next ones should have the core to themselves.
  stopAll()
  return measured
}

/**
 * Starts a gateway whose refreshing is to be measured.
 * @param storePid the store's process, to be accounted for
 */
export async function startRefreshing(folder: string, gateway: Startable, storePid?: number): Promise<RefreshRound> {
  const running = await startGateway({ folder, ...gateway })
  const logIn = async () => (await signIn(running.url)).refresh_token
  return prepareRefreshing({ ...running, storePid }, logIn)
}

/** Prints the head of a table. */
export function printHead(titles: readonly string[]): void {
  console.log(`| ${titles.join(' | ')} |\n|${'---|'.repeat(titles.length)}`)
}

// What a core could do if nothing else were the limit: a second of CPU by what a refresh takes of it.
function cellsOf({ refreshesPerSecond, p50Ms, p99Ms, cpuUs, busy }: Compared): string {
  const ofOneSecond = Math.round(1e6 / cpuUs)
  const cells = [Math.round(refreshesPerSecond), p50Ms.toFixed(1), p99Ms.toFixed(1), cpuUs.toFixed(0), ofOneSecond]
  return [...cells, percent(busy)].join(' | ')
}

/** `0.931` as `93 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
