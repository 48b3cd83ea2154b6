// Workers share connections evenly: what a burst or a replaced worker left uneven is evened out while clients go on, and no
// request is lost by it. Real processes, a real Redis. Linux only, as is the look at whose a connection is.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t from 'tap'
import { Pool } from 'undici'
import { surplusOf } from '../../../src/workers/rebalance.ts'
import { eventually } from '../../support/eventually.ts'
import { adminPassword } from '../../support/gateway-client.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.setTimeout(110_000)
const clients = 24

/** How many established connections to a port a process holds. */
function connectionsOf(pid: number, port: number): number {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  const fields = lines.map((line) => line.trim().split(/\s+/))
  const established = fields.filter(([, local = '', , state]) => local.endsWith(`:${hexPort}`) && state === '01')
  const inodes = new Set(established.map((of) => `socket:[${of[9]}]`))
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => inodes.has(linkOf(`/proc/${pid}/fd/${fd}`))).length
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    // Closed meanwhile.
    return ''
  }
}

t.test('a worker that holds more connections than its share lets some leave, and no request is lost', async (t) => {
  const redis = await startRedis(t)
  const gateway = await GatewayProcess.start({
    REDIS_URL: redis.url,
    CARDEA_WORKERS: '2',
    CARDEA_SECRET: 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc',
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_DATA_DIR: temporaryFolder(t),
  })
  t.teardown(() => gateway.kill('SIGKILL'))
  await eventually('there are two workers', () => gateway.workers.length === 2, 30_000)
  const [absent = 0, present = 0] = gateway.workers
  const port = Number(new URL(gateway.url).port)

  const pool = new Pool(gateway.url, { connections: clients, pipelining: 1 })
  t.teardown(() => pool.destroy())
  const failures: string[] = []
  let isOver = false
  t.teardown(() => {
    isOver = true
  })
  const ask = async () => {
    while (!isOver) {
      const response = await pool.request({ method: 'GET', path: '/livez' }).catch((error) => String(error))
      if (typeof response === 'string') failures.push(response)
      else if (response.statusCode !== 200) failures.push(String(response.statusCode))
      if (typeof response !== 'string') await response.body.dump()
    }
  }
  // While one sleeps the other takes all that come.
  process.kill(absent, 'SIGSTOP')
  let isAsleep = true
  t.teardown(() => isAsleep && process.kill(absent, 'SIGCONT'))
  const asking = Array.from({ length: clients }, ask)
  await eventually('one worker holds every connection', () => connectionsOf(present, port) === clients)
  process.kill(absent, 'SIGCONT')
  isAsleep = false
  await eventually(
    'both hold about as many',
    () => Math.abs(connectionsOf(present, port) - connectionsOf(absent, port)) <= 4,
    30_000,
  )
  isOver = true
  await Promise.all(asking)
  t.strictSame(failures, [])
  await pool.close()
  t.equal(await gateway.stop(), 0)
})

t.test('what is more than an even share: small differences are left alone', async (t) => {
  t.equal(surplusOf(24, [24, 0]), 12)
  t.equal(surplusOf(0, [24, 0]), 0)
  t.equal(surplusOf(50, [14, 50]), 18)
  t.equal(surplusOf(34, [34, 30]), 2)
  t.equal(surplusOf(33, [33, 31]), 0)
  t.equal(surplusOf(1040, [1040, 960]), 0)
  t.equal(surplusOf(30, [30, 30, 0]), 10)
  t.equal(surplusOf(7, [7]), 0)
})
