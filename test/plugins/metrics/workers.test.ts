// Metrics of several workers: the listener speaks for all of them together, one alone for itself.
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { startRedis } from '../../support/redis/server.ts'

const countOf = (text: string, series: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length + 1) ?? Number.NaN,
  )

t.test('the listener of CARDEA_METRICS adds up what all workers counted', async (t) => {
  const [{ port: redisPort }, port] = [await startRedis(t), await freePort()]
  const gateway = await GatewayProcess.start({
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    CARDEA_WORKERS: '2',
    CARDEA_METRICS: `127.0.0.1:${port}`,
  })
  t.teardown(() => gateway.stop())
  const read = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  await eventually('both workers answer', async () => (await read()).includes('cardea_events_total'))
  const ask = () =>
    fetch(`${gateway.url}/auth/sessions`, { headers: { authorization: 'Bearer junk', connection: 'close' } })
  for (let i = 0; i < 40; i += 1) await ask()
  t.equal(countOf(await read(), 'cardea_events_total{reason="token_malformed"}'), 40)
  t.equal((await fetch(`${gateway.url}/metrics`)).status, 401, 'the gateway itself asks for a credential')
})
