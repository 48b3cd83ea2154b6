// Tests of the drain: after SIGTERM a node says that it is not ready and goes on serving, new connections too, so that a balancer
// has the time to look; then the port is closed.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually } from '../../support/eventually.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startRedis } from '../../support/redis/server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

t.setTimeout(120_000)
const drain = '4s'

async function start(t: Test, env: Record<string, string> = {}): Promise<GatewayProcess> {
  const upstream = await startFakeUpstream()
  t.teardown(() => upstream.close())
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  writeFileSync(file, `routes:\n  - { prefix: /open, upstream: '${upstream.url}', policy: public }\n`)
  const data = join(folder, 'data')
  const gateway = await GatewayProcess.start({
    CARDEA_CONFIG: file,
    CARDEA_DATA_DIR: data,
    CARDEA_DRAIN: drain,
    ...env,
  })
  t.teardown(() => gateway.kill('SIGKILL'))
  return gateway
}

// Each on a connection of its own, as a balancer's question is.
async function statusOf(url: string): Promise<number | 'refused'> {
  return fetch(url, { headers: { connection: 'close' } }).then(
    ({ status }) => status,
    () => 'refused',
  )
}

async function judge(t: Test, gateway: GatewayProcess): Promise<void> {
  t.equal(await statusOf(`${gateway.url}/readyz`), 200)
  gateway.kill('SIGTERM')
  await eventually('it is not ready', async () => (await statusOf(`${gateway.url}/readyz`)) === 503)
  for (let i = 0; i < 10; i += 1) t.equal(await statusOf(`${gateway.url}/open/x`), 200, 'it serves new connections')
  t.equal(await statusOf(`${gateway.url}/livez`), 200)
  t.equal(await statusOf(`${gateway.url}/readyz`), 503, 'and is not ready again')
  t.equal(await gateway.exited(), 0)
  t.equal(await statusOf(`${gateway.url}/livez`), 'refused')
}

t.test('a gateway drains before it closes its port', async (t) => judge(t, await start(t)))

t.test('workers drain together', async (t) => {
  const { url } = await startRedis(t)
  const secret = 'a secret for tests that is long enough to be one'
  await judge(t, await start(t, { REDIS_URL: url, CARDEA_WORKERS: '2', CARDEA_SECRET: secret }))
})

t.test('a second signal ends the drain at once', async (t) => {
  const gateway = await start(t, { CARDEA_DRAIN: '10m' })
  gateway.kill('SIGTERM')
  await eventually('it is not ready', async () => (await statusOf(`${gateway.url}/readyz`)) === 503)
  // What comes within a second of the first is the same signal.
  await eventually('it ends', async () => {
    gateway.kill('SIGTERM')
    return (await statusOf(`${gateway.url}/livez`)) === 'refused'
  })
  t.equal(await gateway.exited(), 1)
})
