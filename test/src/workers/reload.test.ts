// Reloading where there are several workers: SIGHUP to the primary gives each of them the config read anew, in place. Real
// processes, a real Redis.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Agent, request } from 'undici'
import { eventually } from '../../support/eventually.ts'
import { adminPassword } from '../../support/gateway-client.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.setTimeout(110_000)

t.test('SIGHUP under load reloads every worker and drops no request; a bad file changes none of them', async (t) => {
  const redis = await startRedis(t)
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  writeFileSync(file, 'docs: false\n')
  const gateway = await GatewayProcess.start({
    REDIS_URL: redis.url,
    CARDEA_WORKERS: '2',
    CARDEA_SECRET: 'Zm9yIHRlc3RzIG9ubHksIDQ4IGJ5dGVzIG9mIG5vdGhpbmc',
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_DATA_DIR: join(folder, 'data'),
    CARDEA_CONFIG: file,
    CARDEA_LOG_LEVEL: 'info',
  })
  t.teardown(() => gateway.kill('SIGKILL'))
  await eventually('the gateway is up', () => gateway.output.some((line) => line.includes('operators')), 30_000)
  await eventually('there are two workers', () => gateway.workers.length === 2)
  const before = gateway.workers
  // A connection a request: whichever worker is free answers.
  const agent = new Agent({ pipelining: 0 })
  t.teardown(() => agent.destroy())
  const statusOf = async (path: string) => {
    const response = await request(gateway.url + path, { dispatcher: agent })
    await response.body.dump()
    return response.statusCode
  }
  const failures: unknown[] = []
  let isStopped = false
  const client = async () => {
    while (!isStopped) {
      const status = await statusOf('/livez').catch(String)
      if (status !== 200) failures.push(status)
    }
  }
  const clients = [client(), client()]
  for (const docs of [true, false, true]) {
    writeFileSync(file, `docs: ${docs}\n`)
    gateway.kill('SIGHUP')
    let inARow = 0
    await eventually('every worker serves by the new config', async () => {
      inARow = (await statusOf('/docs/json')) === (docs ? 200 : 404) ? inARow + 1 : 0
      return inARow === 30
    })
  }
  isStopped = true
  await Promise.all(clients)
  t.strictSame(failures, [])
  writeFileSync(file, 'docs: maybe\n')
  await eventually('it is refused', () => gateway.output.some((line) => line.includes('everything stays as it is')))
  t.equal(await statusOf('/docs/json'), 200)
  t.strictSame(gateway.workers, before, 'the processes are the same')
  t.equal(await gateway.stop(), 0)
})
