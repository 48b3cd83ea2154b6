// Tokens that would open the administration of the gateway, in the hands of those who have come by another one: a service that was
// handed its caller's token, a page of a service that shares the origin and the cookie, somebody at a page that was left open.
import t, { type Test } from 'tap'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { loadConfig } from '../../../src/config/index.ts'
import {
  browserHeaders,
  cookiePair,
  password,
  startGateway,
  type TestGateway,
  type Tokens,
} from '../../support/gateway.ts'

const minute = 60_000

const changes = [
  ['POST', '/admin/users', { username: 'mallory', password, roles: ['admin'] }],
  ['PATCH', '/admin/users/alice', { roles: ['admin'] }],
  ['DELETE', '/admin/subjects/alice/sessions', undefined],
  ['DELETE', `/admin/sessions/${'A'.repeat(32)}`, undefined],
  ['POST', '/admin/revocations', { kind: 'everyone' }],
  ['POST', '/admin/keys/rotate', undefined],
] as const

const reads = ['/admin/users', '/admin/sessions', '/admin/events', '/admin/signals', '/admin/overview', '/metrics']

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

function ask({ app }: TestGateway, method: Method, url: string, token: string, body?: object) {
  return app.inject({ method, url, headers: { authorization: `Bearer ${token}` }, ...(body && { payload: body }) })
}

/** A new access token of a session, for the administration. */
async function refreshed(gateway: TestGateway, { refresh_token }: Tokens): Promise<Tokens> {
  const response = await gateway.post('/auth/token', {
    grant_type: 'refresh_token',
    refresh_token,
    resource: adminAudience,
  })
  return response.json<Tokens>()
}

t.test('an administrator’s token for services opens nothing of the administration', async (t) => {
  const gateway = await startGateway(t)
  const login = { username: 'root', password, delivery: 'body' }
  for (const resource of [{}, { resource: 'https://orders.test' }]) {
    const { access_token } = (await gateway.post('/auth/login', { ...login, ...resource })).json<Tokens>()
    for (const url of reads) t.match(await ask(gateway, 'GET', url, access_token), { statusCode: 401 }, url)
    for (const [method, url, body] of changes) {
      t.match((await ask(gateway, method, url, access_token, body)).json(), { code: 'invalid_token' }, url)
    }
  }
  t.equal(await gateway.store.users.find('mallory'), undefined)
})

t.test('a token for the administration opens no service, and none of what services’ tokens open', async (t) => {
  const gateway = await startGateway(t, {
    config: { routes: [{ prefix: '/svc', upstream: 'http://127.0.0.1:9', policy: 'authenticated' }] },
  })
  const { access_token } = await gateway.signIn('root')
  for (const url of ['/svc/x', '/auth/sessions']) {
    t.match((await ask(gateway, 'GET', url, access_token)).json(), { code: 'invalid_token' }, url)
  }
})

t.test('a page of this origin gets no token for the administration by the cookie, and uses none up', async (t) => {
  const gateway = await startGateway(t)
  const headers = browserHeaders()
  const login = { username: 'root', password }
  const refused = await gateway.post('/auth/login', { ...login, resource: adminAudience }, { headers })
  t.match([refused.statusCode, refused.json()], [400, { code: 'invalid_target' }])
  t.notOk(refused.headers['set-cookie'])
  const cookie = cookiePair(await gateway.post('/auth/login', login, { headers }))
  const withCookie = { headers: browserHeaders(cookie) }
  const grant = { grant_type: 'refresh_token' }
  for (let i = 0; i < 2; i += 1) {
    const response = await gateway.post('/auth/token', { ...grant, resource: adminAudience }, withCookie)
    t.match([response.statusCode, response.json()], [400, { code: 'invalid_target' }])
  }
  t.equal((await gateway.post('/auth/token', grant, withCookie)).statusCode, 200)
  t.equal(gateway.events('rotated').length, 1)
})

t.test('what changes something demands the password of the last quarter of an hour; what reads does not', async (t) => {
  const gateway = await startGateway(t)
  const tokens = await gateway.signIn('root')
  gateway.clock.advance(15 * minute + 6_000)
  const late = await refreshed(gateway, tokens)
  for (const url of reads) t.equal((await ask(gateway, 'GET', url, late.access_token)).statusCode, 200, url)
  for (const [method, url, body] of changes) {
    const response = await ask(gateway, method, url, late.access_token, body)
    t.match([response.statusCode, response.json()], [401, { code: 'insufficient_user_authentication' }], url)
    // RFC 9470 section 3.
    const challenge = response.headers['www-authenticate']
    t.match(challenge, /^Bearer realm="cardea", error="insufficient_user_authentication", .*max_age="900"$/)
  }
  t.equal(await gateway.store.users.find('mallory'), undefined)
  t.match(gateway.events('policy_refused').at(-1), { sub: 'root', granted: false })
  t.equal(gateway.events('policy_refused').length, changes.length)
  const { access_token } = await gateway.signIn('root')
  t.equal((await ask(gateway, 'DELETE', '/admin/subjects/alice/sessions', access_token)).statusCode, 200)
})

t.test('how long ago the sign-in may be is a setting', async (t) => {
  const gateway = await startGateway(t, { config: { adminMaxAgeSeconds: 60 } })
  const { access_token } = await gateway.signIn('root')
  const end = () => ask(gateway, 'DELETE', '/admin/subjects/alice/sessions', access_token)
  gateway.clock.advance(50_000)
  t.equal((await end()).statusCode, 200)
  gateway.clock.advance(20_000)
  t.match((await end()).headers['www-authenticate'], /max_age="60"/)
})

t.test('an operator reads everything, ends sessions, and changes neither users nor keys', async (t) => {
  const gateway = await startGateway(t, { hasOperator: true })
  const { access_token } = await gateway.signIn('watcher')
  const status = async (method: Method, url: string, body?: object) =>
    (await ask(gateway, method, url, access_token, body)).statusCode
  for (const url of reads) t.equal(await status('GET', url), 200, url)
  const alice = await gateway.signIn()
  t.equal(await status('DELETE', `/admin/sessions/${alice.session_id}`), 204)
  t.equal(await status('DELETE', '/admin/subjects/alice/sessions'), 200)
  t.equal(await status('POST', '/admin/revocations', { kind: 'subject', sub: 'alice' }), 200)
  const before = await gateway.store.users.find('root')
  const [key] = await gateway.store.keys.list()
  for (const [method, url, body] of [
    ['POST', '/admin/users', { username: 'mallory', password, roles: ['admin'] }],
    ['PATCH', '/admin/users/watcher', { roles: ['admin'] }],
    ['PATCH', '/admin/users/root', { password }],
    ['POST', '/admin/keys/rotate', undefined],
    ['POST', '/admin/revocations', { kind: 'signing_key', kid: key?.id ?? '' }],
  ] as const) {
    t.equal(await status(method, url, body), 403, `${method} ${url}`)
  }
  t.strictSame(await gateway.store.users.find('root'), before)
  t.equal(await gateway.store.users.find('mallory'), undefined)
})

function violationsOf(t: Test, config: string): string {
  const file = t.testdir({ 'cardea.config.yaml': config })
  try {
    loadConfig({ env: {}, directory: file })
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

t.test('a config that hands a service a token for more than that service is refused', async (t) => {
  const route = (rest: string) => `routes:\n  - { prefix: /a, upstream: "http://127.0.0.1:9", policy: public${rest} }\n`
  t.match(violationsOf(t, route(', forwardAuthorization: true')), /forwardAuthorization.*name the audience of this one/)
  t.equal(violationsOf(t, route(', forwardAuthorization: true, audience: "https://a.test"')), '')
  t.equal(violationsOf(t, route(', forwardAuthorization: false')), '')
  t.match(violationsOf(t, route(`, audience: "${adminAudience}"`)), /audience.*is the gateway's own/)
  t.match(violationsOf(t, `audiences: [https://a.test, "${adminAudience}"]\n`), /audiences.*the gateway's own/)
})
