// Tests of the probes: /livez is about the process, /readyz about forwarding, /readyz?full about sign-in as well, and a node that
// is being stopped says so.
import t from 'tap'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import { buildApp } from '../../../../src/app.ts'
import { cheapCost, configOf, startGateway } from '../../../support/gateway.ts'

t.test('while only the store is away a node forwards, so it is ready, and says that it is degraded', async (t) => {
  const { app, store } = await startGateway(t)
  const ask = async (url: string) => {
    const response = await app.inject(url)
    return { status: response.statusCode, body: response.json() }
  }
  t.match(await ask('/readyz'), { status: 200, body: { status: 'ok' } })
  t.match(await ask('/readyz?full'), { status: 200, body: { status: 'ok' } })
  store.ping = () => Promise.reject(new StoreUnavailable('no response'))
  t.match(await ask('/readyz'), { status: 200, body: { status: 'degraded', revocation_log: { entries: 0 } } })
  for (const url of ['/readyz?full', '/readyz?full=true']) {
    t.match(await ask(url), { status: 503, body: { code: 'store_unavailable', revocation_log: { entries: 0 } } }, url)
  }
  t.match(await ask('/readyz?full=maybe'), { status: 400, body: { code: 'invalid_request' } })
  app.revocation.isStale = () => true
  t.match(await ask('/readyz'), { status: 503, body: { code: 'revocation_unknown' } }, 'then it forwards nothing')
  t.match(await ask('/livez'), { status: 200, body: { status: 'ok' } }, 'and lives all the same')
})

t.test('a node that is being stopped is not ready, and alarms nobody', async (t) => {
  let isStopping = false
  const store = openEmbeddedStore({ file: ':memory:' })
  const app = await buildApp(configOf(), { store, isStopping: () => isStopping, hashingCost: cheapCost })
  t.teardown(() => app.close())
  t.equal((await app.inject('/readyz')).statusCode, 200)
  isStopping = true
  const response = await app.inject('/readyz')
  t.match(response.json(), { status: 503, code: 'stopping' })
  t.equal(response.headers['retry-after'], '1')
  t.equal((await app.inject('/livez')).statusCode, 200)
  t.equal(app.audit.counts()['gateway_failed'], 0)
})
