// The table of Redis: bytes a session. `withRedis` is for whoever measures on Redis. Where none can be had, it says so and
// measures nothing.
import { type RedisServer, startRedis } from '../../test/support/redis/server.ts'
import { otherCore, runToEnd } from '../targets/processes.ts'

/**
 * Prints the table of memory.
 * @param sessions how many are in each measured server
 */
export async function printRedisMemory(sessions: number): Promise<void> {
  await withRedis(async () => {
    const lines = await runToEnd('bench/redis/memory.ts', [String(sessions)], otherCore)
    console.log(`| ${/\d+ sessions, .*?(?= \()/.exec(lines[0] ?? '')?.[0]} | bytes a session |\n|---|---|`)
    for (const line of lines) {
      const [, title, bytes] = /^(.*?) +([\d.]+) bytes a session/.exec(line) ?? []
      if (title === undefined) throw new Error(`bench/redis/memory.ts said: ${line}`)
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
