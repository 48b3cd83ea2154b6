// One worker beside two. Called by run.ts. Load and service need a core of their own, so there is none for a second worker: two
// share the core that one has to itself, both busy to the end, and what they do there they would do twice with a core each. And
// how evenly they share the connections says when the busier one is full.
import { measureForwarding } from './forwarding.ts'
import { printTable } from './forwarding-tables.ts'
import { signIn, startGateway, writeConfig } from './gateway.ts'
import type { Target } from './load.ts'
import { measureBusiest } from './pacing.ts'
import { otherCore, start, stopAll } from './processes.ts'
import { withRedis } from './redis-tables.ts'
import type { Rounds } from './rounds.ts'

const path = '/svc/small'

/** Prints one worker beside two on the same core. */
export function printWorkers(folder: string, rounds: Rounds): Promise<void> {
  return withRedis(({ url }) => measureWorkers(folder, rounds, url))
}

async function measureWorkers(folder: string, rounds: Rounds, redisUrl: string): Promise<void> {
  const service = await start('bench/upstream.ts', [], otherCore)
  const env = { CARDEA_CONFIG: await writeConfig(folder, service), REDIS_URL: redisUrl }
  const one = await startTarget(folder, { ...env, CARDEA_WORKERS: '1' })
  const two = await startTarget(folder, { ...env, CARDEA_WORKERS: '2' })
  const measured = await measureForwarding([one, two], path, rounds)
  printTable('forwarding, 200-byte answers, workers on one core', measured)
  const [ofOne, ofTwo] = measured
  if (ofOne === undefined || ofTwo === undefined) return
  // Few enough for one alone: nobody takes more because the other has no time.
  const busiest = await measureBusiest(two, path, ofOne.requestsPerSecond / 2)
  const even = 2 * ofTwo.ratio
  const uneven = ofTwo.ratio / busiest
  console.log(
    `With a core each, two workers do ${even.toFixed(2)} times what one does when both are busy to the end; ` +
      `${uneven.toFixed(2)} times until the busier one is, which has ${Math.round(busiest * 100)} % of the work.\n`,
  )
  stopAll()
}

async function startTarget(folder: string, env: Record<string, string>): Promise<Target> {
  const running = await startGateway({ folder, env })
  const { access_token } = await signIn(running.url)
  const name = `${env['CARDEA_WORKERS']} of Cardea's workers`
  return { name, headers: { authorization: `Bearer ${access_token}` }, ...running }
}
