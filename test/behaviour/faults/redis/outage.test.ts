// Redis goes away behind a running gateway: what needs the store is refused at once, what needs only an access token goes on
// until the gateway can no longer know who was revoked, and everything comes back by itself.
import t from 'tap'
import { eventually } from '../../../support/eventually.ts'
import { adminPassword, keepAlive, refresh, signIn } from '../../../support/gateway-client.ts'
import { GatewayProcess } from '../../../support/processes/gateway-process.ts'
import { startRedis } from '../../../support/redis/server.ts'
import { TcpProxy } from '../../../support/tcp-proxy.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const maxStalenessMs = 3_000
// The store answers or is given up within half a second; the rest is what a busy machine may add.
const promptlyMs = 1_500

for (const fault of ['silence', 'refuse'] as const) {
  t.test(`while Redis is away (${fault}), valid tokens are forwarded and refreshes are 503 at once`, async (t) => {
    const redis = await startRedis(t)
    const wire = new TcpProxy(redis.port)
    await wire.open()
    t.teardown(() => wire.close())
    const gateway = await GatewayProcess.start({
      REDIS_URL: `redis://127.0.0.1:${wire.port}`,
      CARDEA_DATA_DIR: temporaryFolder(t),
      CARDEA_ADMIN_PASSWORD: adminPassword,
      CARDEA_MAX_STALENESS: `${maxStalenessMs}ms`,
    })
    t.teardown(() => gateway.stop())
    const agent = keepAlive(4)
    t.teardown(() => agent.close())
    const { access_token, refresh_token } = await signIn(gateway.url)
    const headers = { authorization: `Bearer ${access_token}` }
    const forwarded = async () => (await fetch(`${gateway.url}/demo/x`, { headers })).status
    t.equal(await forwarded(), 200)

    await wire[fault]()
    const began = performance.now()
    t.equal((await refresh(gateway.url, refresh_token, agent)).status, 503)
    t.ok(performance.now() - began < promptlyMs, `refused after ${Math.round(performance.now() - began)} ms`)
    t.equal(await forwarded(), 200, 'no store call on this path')
    t.equal((await fetch(`${gateway.url}/livez`)).status, 200)
    t.equal((await fetch(`${gateway.url}/readyz?full`)).status, 503)

    await eventually('the gateway no longer knows who is revoked', async () => (await forwarded()) === 503)
    t.ok(performance.now() - began > maxStalenessMs / 2, 'it trusted what it knew for a while')

    await wire.open()
    await eventually('everything is back', async () => (await forwarded()) === 200)
    t.equal((await refresh(gateway.url, refresh_token, agent)).status, 200, 'the same token: nothing was lost')
  })
}
