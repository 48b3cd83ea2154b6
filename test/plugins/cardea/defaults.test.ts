// The plugin `cardea` in an app of its own: where nothing is said it is what the gateway is, and it leaves the app's other routes alone.
import Fastify from 'fastify'
import t from 'tap'
import { defaults } from '../../../plugins/cardea/defaults.ts'
import cardea from '../../../plugins/cardea/index.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { cheapCost, gatewaySecret, ownOrigin, password } from '../../support/gateway.ts'

t.test('where nothing is said, the plugin is set as the gateway is', async (t) => {
  const config = loadConfig({ env: {}, directory: '/nowhere' })
  const { store, prefix, bodyLimitBytes, bodyMemoryBytes, hosts, usesAccessCookie, network, clock, ...shared } =
    defaults
  t.match(config, shared)
  t.equal(bodyLimitBytes, config.limits.loginBodyBytes)
  t.equal(bodyMemoryBytes, config.limits.bodyMemoryBytes)
  t.strictSame(network, config.events.network)
  t.strictSame(hosts, config.hosts.listed)
  t.strictSame(
    { store, prefix, usesAccessCookie, clock },
    { store: 'data/cardea.db', prefix: '/auth', usesAccessCookie: false, clock: Date.now },
  )
})

t.test('a secret that is too short is refused before a store is opened', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const start = async () => app.register(cardea, { secret: 'short', issuer: ownOrigin, store: '/nowhere/at/all.db' })
  await t.rejects(start(), /32 characters/)
})

t.test('in an app that coerces, a number is no password, and what its own routes take is left alone', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cardea, {
    secret: gatewaySecret,
    issuer: ownOrigin,
    store: ':memory:',
    prefix: '/account',
    hashingCost: cheapCost,
  })
  const schema = { body: { type: 'object', properties: { a: { type: 'number' } } } }
  app.post('/own', { schema }, (request) => request.body)
  await app.credentials.create({ username: 'alice', password, roles: [], scope: '' })
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  const six = { b: { b: { b: { b: { b: 1 } } } } }
  t.strictSame((await post('/own', { a: '1', ...six })).json(), { a: 1, ...six })
  t.match((await post('/account/login', { username: 'alice', password: 1 })).json(), { code: 'invalid_request' })
  const more = { username: 'alice', password, admin: true }
  t.match((await post('/account/login', more)).json(), { code: 'invalid_request' }, 'nothing is dropped')
  const signedIn = await post('/account/login', { username: 'alice', password, delivery: 'body' })
  t.equal(signedIn.statusCode, 200)
  const authorization = `Bearer ${signedIn.json().access_token}`
  t.equal((await app.inject({ url: '/account/sessions', headers: { authorization } })).json().sessions.length, 1)
  t.equal((await app.inject('/auth/sessions')).statusCode, 404)
})
