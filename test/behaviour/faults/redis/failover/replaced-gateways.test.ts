// Redis is emptied under two running gateways: both read everything anew by themselves, and agree on who is who.
import t from 'tap'
import { eventually } from '../../../../support/eventually.ts'
import { adminPassword, askSessions, keepAlive, refresh, signIn } from '../../../../support/gateway-client.ts'
import { GatewayProcess } from '../../../../support/processes/gateway-process.ts'
import { startRedis } from '../../../../support/redis/server.ts'
import { send } from '../../../../support/redis/topology.ts'
import { temporaryFolder } from '../../../../support/temporary-folder.ts'

t.test('an emptied Redis under two gateways: no token of before, no 0 that is false, one alarm each', async (t) => {
  const redis = await startRedis(t)
  const settings = {
    REDIS_URL: redis.url,
    CARDEA_DATA_DIR: temporaryFolder(t),
    CARDEA_SECRET: 'a secret for tests that is long enough to be one',
    CARDEA_ADMIN_PASSWORD: adminPassword,
    CARDEA_ISSUER: 'https://gateway.test',
  }
  const gateways = []
  for (let i = 0; i < 2; i += 1) {
    const gateway = await GatewayProcess.start(settings)
    t.teardown(() => gateway.stop())
    gateways.push(gateway)
  }
  const [here, there] = gateways
  if (!here || !there) throw new Error('no gateways')
  const agent = keepAlive(2)
  t.teardown(() => agent.close())
  const before = await signIn(here.url)
  t.equal(await askSessions(there.url, before.access_token), 200)
  await send(redis, ['FLUSHALL'])
  const alarms = ({ output }: GatewayProcess) => output.filter((line) => line.includes('"store_alarm"')).length
  for (const gateway of gateways) {
    await eventually('it has noticed', () => alarms(gateway) === 1)
    await eventually('it is ready again', async () => (await fetch(`${gateway.url}/readyz?full`)).status === 200)
    t.equal(await askSessions(gateway.url, before.access_token), 401, 'no token of the store before')
    t.equal((await refresh(gateway.url, before.refresh_token, agent)).status, 400)
  }
  // The first admin is made at a start only; it may start on this store.
  await there.restart()
  const fresh = await signIn(there.url)
  t.equal(await askSessions(here.url, fresh.access_token), 200, 'both know the same keys')
  const admin = await signIn(there.url, 'urn:cardea:admin')
  const revoked = await fetch(`${here.url}/admin/revocations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'subject', sub: 'admin' }),
  })
  t.strictSame(await revoked.json(), { ended: 2 })
  t.equal((await refresh(there.url, fresh.refresh_token, agent)).status, 400)
  t.equal(alarms(here), 1)
})
