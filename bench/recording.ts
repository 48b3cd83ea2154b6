// What recording costs: gateways that record nothing at all, that keep neither events nor timelines, that record everything,
// all at once on one core and each with a Redis of its own. Compared by CPU a request. Called by run.ts.
import { measureForwarding } from './forwarding.ts'
import { signIn, startGateway, writeConfig } from './gateway.ts'
import type { Target } from './load.ts'
import { otherCore, start, stopAll } from './processes.ts'
import { withRedis } from './redis-tables.ts'
import { printHead, startRefreshing } from './refresh-tables.ts'
import { measureRefreshing, type RefreshRound } from './refreshing.ts'
import type { Rounds } from './rounds.ts'

interface Kind {
  name: string
  file?: string
  env?: NodeJS.ProcessEnv
}

const nothing: Kind = {
  name: 'nothing: no event, counter, timeline, signal or meter',
  file: 'bench/gateway-unrecorded.ts',
}
const notKept: Kind = {
  name: 'counters, meters and signals; events and timelines not kept',
  env: { CARDEA_EVENTS_KEPT: '0', CARDEA_TIMELINE_ENTRIES: '0' },
}
const everything: Kind = { name: 'everything' }
const logged: Kind = { name: 'everything, and a log line of each', env: { CARDEA_LOG_LEVEL: 'info' } }
const refreshKinds = [nothing, notKept, everything, logged]
const forwardKinds = [nothing, everything]

const columns = ['CPU us', 'ratio by CPU', 'middle half']

/** Prints what recording costs a refresh on Redis, and a forwarded request. */
export async function printRecording(folder: string, { rounds, seconds }: Rounds): Promise<void> {
  const atOnce = { rounds, seconds, atOnce: true }
  await printOfRefresh(folder, atOnce, refreshKinds, [])
  await printOfForwarding(folder, atOnce)
}

// Opens a Redis for each kind before it measures any.
async function printOfRefresh(
  folder: string,
  rounds: Rounds,
  [kind, ...rest]: readonly Kind[],
  prepared: readonly RefreshRound[],
): Promise<void> {
  if (kind === undefined) return printRefreshTable(prepared, rounds)
  await withRedis(async ({ url, process: redis }) => {
    const gateway = { ...kind, env: { REDIS_URL: url, ...kind.env } }
    const refreshing = await startRefreshing(folder, gateway, redis().pid)
    await printOfRefresh(folder, rounds, rest, [...prepared, refreshing])
  })
}

async function printRefreshTable(prepared: readonly RefreshRound[], rounds: Rounds): Promise<void> {
  const measured = await measureRefreshing(prepared, rounds)
  stopAll()
  printHead(['recorded, refreshing on Redis, ES256', ...columns, 'Redis CPU us', 'ratio by both CPUs'])
  for (const [i, { cpuUs, cpuRatio, cpuSpread, storeCpuUs, wholeCpuRatio }] of measured.entries()) {
    const cells = [cpuUs.toFixed(1), cpuRatio.toFixed(3), cpuSpread, storeCpuUs.toFixed(1), wholeCpuRatio.toFixed(3)]
    console.log(`| ${[refreshKinds[i]?.name, ...cells].join(' | ')} |`)
  }
  console.log()
}

// A forwarded request records no event: what it pays for is the meter of its route.
async function printOfForwarding(folder: string, rounds: Rounds): Promise<void> {
  const service = await start('bench/upstream.ts', [], otherCore)
  const env = { CARDEA_CONFIG: await writeConfig(folder, service) }
  const targets: Target[] = []
  for (const { name, ...kind } of forwardKinds) {
    const gateway = await startGateway({ folder, ...kind, env })
    const { access_token } = await signIn(gateway.url)
    targets.push({ name, headers: { authorization: `Bearer ${access_token}` }, ...gateway })
  }
  const measured = await measureForwarding(targets, '/svc/small', rounds)
  printHead(['recorded, forwarding, 200-byte answers', ...columns])
  for (const { name, cpuUs, cpuRatio, cpuSpread } of measured) {
    console.log(`| ${[name, cpuUs.toFixed(1), cpuRatio.toFixed(3), cpuSpread].join(' | ')} |`)
  }
  console.log()
  stopAll()
}
