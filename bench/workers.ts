// Two workers beside one. Load and service need CPU as well, and two cores are all there is, so everything is doubled: one
// core with a worker, a load and a service on it; both cores with two workers, two loads and two services. What the machine
// itself gives for its second core is said by two gateways that share nothing, on the same cores in the same rounds.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fire, type Round, summarise } from './forwarding.ts'
import { printTable } from './forwarding-tables.ts'
import type { Target } from './load/load.ts'
import { inRounds, type Rounds } from './measure/rounds.ts'
import { withRedis } from './redis/tables.ts'
import { signIn, startGateway, writeConfig } from './targets/gateway.ts'
import { measuredCore, otherCore, start, stopAll } from './targets/processes.ts'

const path = '/svc/small'
const cores = [measuredCore, otherCore]
const bothCores = cores.join()
/** Of each round: new connections are spread evenly after a second or two. */
const shortestRoundSeconds = 5

/** What is loaded at the same time: each target by a load on the core that it names. */
interface Row {
  name: string
  loaded: { target: Target; core: string }[]
}

/** Prints one worker on a core beside two on two, and beside two gateways. */
export function printWorkers(folder: string, rounds: Rounds): Promise<void> {
  return withRedis(async ({ url }) => {
    const services: string[] = []
    for (const core of cores) services.push(await start('bench/targets/upstream.ts', [], core))
    const gateway = await gatewaysOf(folder, url, services)
    const alone = await gateway('alone', 1, measuredCore, [0])
    const two = await gateway('two', 2, bothCores, [0, 1])
    const left = await gateway('left', 1, bothCores, [0, 1])
    const right = await gateway('right', 1, bothCores, [0, 1])
    await measureRows(rounds, [
      { name: 'one core: 1 worker', loaded: [{ target: alone, core: measuredCore }] },
      { name: 'two cores: 2 workers', loaded: cores.map((core) => ({ target: two, core })) },
      {
        name: 'two cores: 2 gateways that share nothing',
        loaded: [
          { target: left, core: measuredCore },
          { target: right, core: otherCore },
        ],
      },
    ])
    stopAll()
  })
}

// Each has a config of its own: one that is written anew would be read anew.
async function gatewaysOf(folder: string, redisUrl: string, services: readonly string[]) {
  return async (name: string, workers: number, core: string, served: readonly number[]): Promise<Target> => {
    const own = join(folder, name)
    await mkdir(own)
    const upstreams = JSON.stringify(served.map((i) => services[i]))
    const env = {
      CARDEA_CONFIG: await writeConfig(own, upstreams),
      CARDEA_WORKERS: String(workers),
      REDIS_URL: redisUrl,
    }
    const running = await startGateway({ folder: own, core, env })
    const { access_token } = await signIn(running.url)
    return { name, headers: { authorization: `Bearer ${access_token}` }, ...running }
  }
}

async function measureRows({ rounds, seconds }: Rounds, rows: readonly Row[]): Promise<void> {
  const fireAt = rows.map((row) => () => fireAll(row, Math.max(shortestRoundSeconds, seconds)))
  for (const fireRow of fireAt) await fireRow()
  const measured = await inRounds(fireAt, rounds)
  const [first = []] = measured
  printTable(
    'forwarding, 200-byte responses, with load and service on the same cores',
    rows.map(({ name }, i) => summarise(name, measured[i] ?? [], first)),
  )
}

// As many requests as all loads had answered, the latency of the slower one, and the CPU of each process once.
async function fireAll({ loaded }: Row, seconds: number): Promise<Round> {
  const all = await Promise.all(loaded.map(({ target, core }) => fire(target, path, seconds, core)))
  const sum = (of: (round: Round) => number) => all.reduce((total, round) => total + of(round), 0)
  const most = (of: (round: Round) => number) => Math.max(...all.map(of))
  const targets = new Set(loaded.map(({ target }) => target.pid)).size
  const share = targets / loaded.length
  const requests = sum((round) => round.requests)
  return {
    requests,
    requestsPerSecond: sum((round) => round.requestsPerSecond),
    p50Ms: most((round) => round.p50Ms),
    p99Ms: most((round) => round.p99Ms),
    cpuUs: (sum((round) => round.cpuUs * round.requests) * share) / requests,
    busy: sum((round) => round.busy) * share,
    residentBytes: sum((round) => round.residentBytes) * share,
  }
}
