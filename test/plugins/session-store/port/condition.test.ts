// Tests of what is said of a store that answers: alarms as events, warnings in /readyz, and an app that answers nothing once
// its store is another one.
import t from 'tap'
import { StoreCondition, type StoreNews } from '../../../../plugins/session-store/port/condition.ts'
import { bearer, startGateway } from '../../../support/gateway.ts'

t.test('what lasts is an alarm when it begins and a notice when it is over, each once', async (t) => {
  const condition = new StoreCondition()
  const heard: StoreNews[] = []
  const stop = condition.onNews((news) => heard.push(news))
  condition.note('memory_policy', 'It may evict.')
  condition.note('memory_policy', 'It may evict.')
  t.strictSame(condition.topics, ['memory_policy'])
  condition.note('memory_policy', undefined)
  condition.note('memory_policy', undefined)
  t.strictSame(condition.topics, [])
  t.strictSame(heard, [
    { kind: 'alarm', sentence: 'It may evict.' },
    { kind: 'notice', sentence: 'This is over: It may evict.' },
  ])
  stop()
  condition.tell('alarm', 'nobody hears this')
  t.equal(heard.length, 2)
})

t.test('an alarm of the store is an event, and /readyz names what lasts', async (t) => {
  const gateway = await startGateway(t)
  const { condition } = gateway.store
  const ready = async () => (await gateway.app.inject('/readyz')).json()
  t.match(await ready(), { status: 'ok', store_warnings: [] })
  condition.note('memory_policy', 'It may evict.')
  t.match(gateway.events('store_alarm'), [{ detail: 'It may evict.', granted: false }])
  t.match(await ready(), { status: 'ok', store_warnings: ['memory_policy'] })
  condition.note('memory_policy', undefined)
  t.match(await ready(), { status: 'ok', store_warnings: [] })
})

t.test('an app whose store was replaced answers nothing from memory any more', async (t) => {
  const routes = [{ prefix: '/open', upstream: 'http://127.0.0.1:1', policy: 'public' as const }]
  const gateway = await startGateway(t, { config: { routes } })
  const tokens = await gateway.signIn()
  const sessions = () => gateway.app.inject({ url: '/auth/sessions', headers: bearer(tokens) })
  t.equal((await sessions()).statusCode, 200)
  gateway.store.condition.tell('replaced', 'The store is another one.')
  for (const response of [
    await sessions(),
    await gateway.post('/auth/login', { username: 'alice', password: 'x' }),
    await gateway.post('/auth/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }),
    await gateway.app.inject('/readyz'),
    await gateway.app.inject('/open/x'),
  ]) {
    t.match(response.json(), { status: 503, code: 'store_unavailable' })
    t.equal(response.headers['retry-after'], '1')
  }
  t.equal((await gateway.app.inject('/livez')).statusCode, 200)
  t.match(gateway.events('store_alarm'), [{ detail: 'The store is another one.' }])
  t.ok(gateway.app.revocation.isRevoked({ sid: tokens.session_id, sub: 'alice', jti: 'x', auth_time: 4_000_000_000 }))
})
