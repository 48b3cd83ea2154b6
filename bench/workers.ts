// One worker beside two. Called by run.ts. With two cores for the workers, the load and the service together, requests/s cannot
// show what a second core brings: CPU a request can, and how evenly the workers share the connections.
import { measureForwarding } from './forwarding.ts'
import { printTable } from './forwarding-tables.ts'
import { signIn, startGateway, writeConfig } from './gateway.ts'
import type { Target } from './load.ts'
import { measureBusiest } from './pacing.ts'
import { start, stopAll } from './processes.ts'
import { withRedis } from './redis-tables.ts'
import type { Rounds } from './rounds.ts'

const path = '/svc/small'
const bothCores = '0,1'

/** Prints one worker beside two, all cores open to both. */
export function printWorkers(folder: string, rounds: Rounds): Promise<void> {
  return withRedis(({ url }) => measureWorkers(folder, rounds, url))
}

async function measureWorkers(folder: string, rounds: Rounds, redisUrl: string): Promise<void> {
  const service = await start('bench/upstream.ts', [], bothCores)
  const env = { CARDEA_CONFIG: await writeConfig(folder, service), REDIS_URL: redisUrl }
  const one = await startTarget(folder, { ...env, CARDEA_WORKERS: '1' })
  const two = await startTarget(folder, { ...env, CARDEA_WORKERS: '2' })
  const measured = await measureForwarding([one, two], path, rounds)
  printTable('forwarding, 200-byte answers, load and service on the same two cores', measured)
  const [ofOne, ofTwo] = measured
  if (ofOne === undefined || ofTwo === undefined) return
  // Few enough for one alone: nobody takes more because the other has no time.
  const busiest = await measureBusiest(two, path, ofOne.requestsPerSecond / 2)
  const even = 2 * ofTwo.cpuRatio
  const uneven = ofTwo.cpuRatio / busiest
  console.log(
    `With a core each, two workers do ${even.toFixed(2)} times what one does, by CPU a request, when both are busy to the end; ` +
      `${uneven.toFixed(2)} times until the busier one is, which has ${Math.round(busiest * 100)} % of the work.\n`,
  )
  stopAll()
}

async function startTarget(folder: string, env: Record<string, string>): Promise<Target> {
  const running = await startGateway({ folder, env, core: bothCores })
  const { access_token } = await signIn(running.url)
  const name = `${env['CARDEA_WORKERS']} of Cardea's workers`
  return { name, headers: { authorization: `Bearer ${access_token}` }, ...running }
}
