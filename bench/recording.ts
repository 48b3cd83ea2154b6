// The cost of recording: two gateways at once on one core, one recording and the other not, then the other way round,
// compared by CPU a request.
import { setTimeout as delay } from 'node:timers/promises'
import { fire } from './forwarding.ts'
import { prepareRefreshing, type Refreshed } from './load/refreshing.ts'
import { median, middleHalf } from './measure/median.ts'
import { compareCrossed, inCrossedRounds, type Rounds, type Switchable } from './measure/rounds.ts'
import { withRedis } from './redis/tables.ts'
import { printHead } from './refresh-tables.ts'
import { signIn, startGateway, writeConfig } from './targets/gateway.ts'
import { otherCore, start, stopAll } from './targets/processes.ts'

interface Kind {
  name: string
  env?: NodeJS.ProcessEnv
}

const file = 'bench/targets/switched-gateway.ts'
const refreshKinds: readonly Kind[] = [
  {
    name: 'counters, meters and signals; events and timelines not kept',
    env: { CARDEA_EVENTS_KEPT: '0', CARDEA_TIMELINE_ENTRIES: '0' },
  },
  { name: 'everything' },
  { name: 'everything, and a log line of each', env: { CARDEA_LOG_LEVEL: 'info' } },
]
const columns = ['CPU us without', 'with', 'ratio by CPU', 'middle half']
const forwardKinds: readonly Kind[] = [
  { name: 'everything' },
  { name: 'everything, and an access log of all', env: { CARDEA_ACCESS_LOG: 'all' } },
]
/** Recorded before the switch, written behind it, ms. */
const settleMs = 300

/** Prints what recording costs a refresh on Redis, and a forwarded request. */
export async function printRecording(folder: string, rounds: Rounds): Promise<void> {
  printHead(['recorded, refreshing on Redis, ES256', ...columns, 'Redis CPU us without', 'with', 'ratio by both CPUs'])
  for (const kind of refreshKinds) {
    await withRedis((one) => withRedis((other) => printOfRefresh(folder, rounds, kind, [one, other])))
  }
  console.log()
  printHead(['recorded, forwarding, 200-byte responses', ...columns])
  for (const kind of forwardKinds) await printOfForwarding(folder, rounds, kind)
  console.log()
}

type Pair<T> = readonly [T, T]
type Stored = Parameters<Parameters<typeof withRedis>[0]>[0]

// Each of the pair has a Redis of its own.
async function printOfRefresh(folder: string, rounds: Rounds, { name, env }: Kind, [one, other]: Pair<Stored>) {
  const refreshing = async (redis: Stored): Promise<Switchable<Refreshed>> => {
    const gateway = await startGateway({ folder, file, env: { REDIS_URL: redis.url, ...env } })
    const logIn = async () => (await signIn(gateway.url)).refresh_token
    const measure = await prepareRefreshing({ ...gateway, storePid: redis.process().pid }, logIn)
    return { measure, switchOver: websocketUpgrade(gateway.pid) }
  }
  const crossed = await inCrossedRounds([await refreshing(one), await refreshing(other)], rounds)
  stopAll()
  const store = compareCrossed(crossed, ({ storeCpuUs }) => storeCpuUs)
  const whole = compareCrossed(crossed, ({ cpuUs, storeCpuUs }) => cpuUs + storeCpuUs)
  const cells = [store.off.toFixed(1), store.on.toFixed(1), median(whole.ratios).toFixed(3)]
  console.log(`| ${[name, ...cellsOf(compareCrossed(crossed, ({ cpuUs }) => cpuUs)), ...cells].join(' | ')} |`)
}

// A forwarded request records no event: what it pays for is the meter of its route, and the access log.
async function printOfForwarding(folder: string, rounds: Rounds, kind: Kind): Promise<void> {
  const env = {
    ...kind.env,
    CARDEA_CONFIG: await writeConfig(folder, await start('bench/targets/upstream.ts', [], otherCore)),
  }
  const forwarding = async () => {
    const gateway = await startGateway({ folder, file, env })
    const { access_token } = await signIn(gateway.url)
    const target = { name: file, headers: { authorization: `Bearer ${access_token}` }, ...gateway }
    await fire(target, '/svc/small', 2)
    return {
      measure: (seconds: number) => fire(target, '/svc/small', seconds),
      switchOver: websocketUpgrade(gateway.pid),
    }
  }
  const crossed = await inCrossedRounds([await forwarding(), await forwarding()], rounds)
  stopAll()
  console.log(`| ${[kind.name, ...cellsOf(compareCrossed(crossed, ({ cpuUs }) => cpuUs))].join(' | ')} |`)
}

function websocketUpgrade(pid: number) {
  return async () => {
    process.kill(pid, 'SIGWINCH')
    await delay(settleMs)
  }
}

function cellsOf({ off, on, ratios }: ReturnType<typeof compareCrossed>): string[] {
  return [off.toFixed(1), on.toFixed(1), median(ratios).toFixed(3), middleHalf(ratios, 3)]
}
