// What Redis costs: refreshes a second of the whole gateway beside the same route without a store and beside a bare loop of the
// same script; and bytes a session. Called by run.ts. Where no Redis can be had, it says so and measures nothing.
import { type RedisServer, startRedis } from '../test/redis-server.ts'
import { measuredCore, otherCore, runToEnd } from './processes.ts'
import type { Compared, Refreshed } from './refreshing.ts'

const bareRotations = '100000'

/** A gateway to be measured. */
export interface Startable {
  file: string
  /** Knobs beside those of every bench. */
  env?: NodeJS.ProcessEnv
}

/** Measures refreshing at gateways in turn; the first is what the others are compared with. */
export type MeasureGateways = (alg: string, gateways: readonly Startable[]) => Promise<Compared[]>

/**
 * Prints the table of refreshing on Redis.
 * @param algorithms each is a pair of rows
 */
export async function printRedisRefreshing(algorithms: readonly string[], measure: MeasureGateways): Promise<void> {
  await withRedis(async ({ url }) => {
    console.log(
      '| refreshing on Redis, one core | refreshes/s | p50 ms | p99 ms | of signing alone |\n|---|---|---|---|---|',
    )
    for (const alg of algorithms) {
      const onRedis = { file: 'src/server.ts', env: { REDIS_URL: url } }
      const [alone, whole] = await measure(alg, [{ file: 'bench/gateway-without-store.ts' }, onRedis])
      if (alone) console.log(`| ${alg}, the same route without a store | ${cellsOf(alone)} | 1 |`)
      if (whole) console.log(`| ${alg}, the gateway on Redis | ${cellsOf(whole)} | ${whole.ratio.toFixed(2)} |`)
    }
    for (const line of await runToEnd('bench/redis-refresh.ts', [bareRotations], measuredCore, { REDIS_URL: url })) {
      const [, title, perSecond, p50, p99] = /^(.*?) +(\d+)\/s +p50 ([\d.]+) ms +p99 ([\d.]+) ms/.exec(line) ?? []
      if (title === undefined) throw new Error(`bench/redis-refresh.ts said: ${line}`)
      const bare = { refreshesPerSecond: Number(perSecond), p50Ms: Number(p50), p99Ms: Number(p99) }
      console.log(`| ${title} | ${cellsOf(bare)} | |`)
    }
    console.log()
  })
}

const unrecorded = { CARDEA_EVENTS_KEPT: '0', CARDEA_TIMELINE_ENTRIES: '0' }

/** Prints what recording costs a refresh: gateways that keep neither events nor timelines beside gateways that do. */
export async function printRecording(alg: string, measure: MeasureGateways): Promise<void> {
  await withRedis(async ({ url }) => {
    console.log('| refreshing on Redis, recording | refreshes/s | p50 ms | p99 ms | ratio |\n|---|---|---|---|---|')
    const gateway = { file: 'src/server.ts', env: { REDIS_URL: url } }
    const [off, on] = await measure(alg, [{ ...gateway, env: { ...gateway.env, ...unrecorded } }, gateway])
    if (off) console.log(`| ${alg}, neither events nor timelines | ${cellsOf(off)} | 1 |`)
    if (on) console.log(`| ${alg}, both | ${cellsOf(on)} | ${on.ratio.toFixed(2)} |`)
    console.log()
  })
}

/** The cells of a table that quotes refreshing. */
export function cellsOf({ refreshesPerSecond, p50Ms, p99Ms }: Refreshed): string {
  return `${Math.round(refreshesPerSecond)} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)}`
}

/**
 * Prints the table of memory.
 * @param sessions how many are in each measured server
 */
export async function printRedisMemory(sessions: number): Promise<void> {
  await withRedis(async () => {
    const lines = await runToEnd('bench/redis-memory.ts', [String(sessions)], otherCore)
    console.log(`| ${/\d+ sessions, .*?(?= \()/.exec(lines[0] ?? '')?.[0]} | bytes a session |\n|---|---|`)
    for (const line of lines) {
      const [, title, bytes] = /^(.*?) +([\d.]+) bytes a session/.exec(line) ?? []
      if (title === undefined) throw new Error(`bench/redis-memory.ts said: ${line}`)
      console.log(`| ${title} | ${Math.round(Number(bytes))} |`)
    }
    console.log()
  })
}

/** Measures with a Redis of its own; where none can be had, says so and measures nothing. */
export async function withRedis(measure: (redis: RedisServer) => Promise<void>): Promise<void> {
  const teardowns: (() => Promise<void> | void)[] = []
  try {
    const redis = await startRedis({ teardown: (close) => teardowns.push(close) })
    await measure(redis)
  } catch (error) {
    if (teardowns.length > 0) throw error
    console.log(`Redis is not measured. ${error instanceof Error ? error.message : error}\n`)
  } finally {
    for (const close of teardowns) await close()
  }
}
