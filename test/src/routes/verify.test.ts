// Forward-auth: what /auth/verify answers to a proxy, by each convention, and that nothing but the token says who is asking.
import t from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { startCookieGateway } from '../../support/cookie-gateway.ts'
import { bearer, ownOrigin, startGateway, type TestGateway } from '../../support/gateway.ts'

const upstream = 'http://127.0.0.1:9'
const routes: RouteConfig[] = [
  { prefix: '/orders', upstream, methods: { DELETE: { roles: ['admin'] } } },
  { prefix: '/orders/public', upstream, policy: 'public' },
  { prefix: '/reports', upstream, audience: 'https://orders.test' },
  { prefix: '/scoped', upstream, policy: { scopes: ['orders:read', 'reports:read'] } },
  { prefix: '/silent', upstream, identityHeaders: false },
]
const silence = { 'x-auth-subject': '', 'x-auth-session': '', 'x-auth-roles': '', 'x-auth-scope': '' }

function start(t: Parameters<typeof startGateway>[0], more: RouteConfig[] = []) {
  return startGateway(t, { config: { routes: [...routes, ...more] } })
}

/** Asks as nginx does. */
async function ask(gateway: TestGateway, target: string, headers: Record<string, string> = {}, method = 'GET') {
  const named = { 'x-original-uri': target, 'x-original-method': method }
  return gateway.app.inject({ url: '/auth/verify', headers: { ...named, ...headers } })
}

const conventions: Record<string, (target: string, method: string) => { url?: string; headers?: object }> = {
  nginx: (target, method) => ({ headers: { 'x-original-uri': target, 'x-original-method': method } }),
  'Traefik and Caddy': (target, method) => ({ headers: { 'x-forwarded-uri': target, 'x-forwarded-method': method } }),
  Envoy: (target, method) => ({ url: `/auth/verify${target}`, headers: { method } }),
}

for (const [proxy, asked] of Object.entries(conventions)) {
  t.test(`${proxy}: the policy of the route that covers the original request decides`, async (t) => {
    const gateway = await start(t)
    const alice = bearer(await gateway.signIn())
    const verify = (target: string, method: string, headers: object = {}) => {
      const { url = '/auth/verify', headers: named = {} } = asked(target, method)
      // Boundary: a text that is one of the methods inject knows.
      const own = url === '/auth/verify' ? 'GET' : (method as 'GET')
      return gateway.app.inject({ method: own, url, headers: { ...named, ...headers } })
    }
    const allowed = await verify('/orders/1?x=1', 'GET', alice)
    t.equal(allowed.statusCode, 200)
    t.match(allowed.headers, { 'x-auth-subject': 'alice', 'x-auth-roles': 'user', 'cache-control': 'no-store' })
    t.equal(allowed.body, '')
    t.equal((await verify('/orders/1', 'POST', alice)).statusCode, 200)
    t.match(await verify('/orders/1', 'DELETE', alice), { statusCode: 403 })
    t.match(await verify('/orders/1', 'GET'), { statusCode: 401, headers: { 'www-authenticate': /^Bearer / } })
    t.match(await verify('/orders/public/1', 'GET'), { statusCode: 200, headers: silence })
    t.match(await verify('/orders/publicity', 'GET'), { statusCode: 401 })
    t.match(await verify('/reports', 'GET', alice), { statusCode: 401 })
    t.match(await verify('/scoped', 'GET', alice), { statusCode: 403, headers: { 'www-authenticate': /reports:read/ } })
    t.match(await verify('/silent', 'GET', alice), { statusCode: 200, headers: silence })
  })
}

t.test('a token for the audience of the route passes there', async (t) => {
  const gateway = await start(t)
  const login = { username: 'alice', password: 'correct horse battery staple', delivery: 'body' }
  const response = await gateway.post('/auth/login', { ...login, resource: 'https://orders.test' })
  t.match(await ask(gateway, '/reports', bearer(response.json())), { statusCode: 200 })
  t.match(await ask(gateway, '/orders', bearer(response.json())), { statusCode: 401 })
})

t.test(
  'where no route covers, or nothing is asked about, a valid token is what it takes, if the config says so',
  async (t) => {
    const everything: RouteConfig = { prefix: '/', upstream, policy: 'public' }
    const config = { routes: [...routes, everything], verify: { uncovered: 'authenticated' as const } }
    const gateway = await startGateway(t, { config })
    const alice = bearer(await gateway.signIn())
    t.match(await gateway.app.inject('/auth/verify'), { statusCode: 401 })
    t.match(await gateway.app.inject({ url: '/auth/verify', headers: alice }), { statusCode: 200 })
    // What is the gateway's own is no route's, not even that of a route for everything.
    t.match(await ask(gateway, '/admin/users'), { statusCode: 401 })
    t.match(await ask(gateway, '/elsewhere'), { statusCode: 200, headers: silence })
  },
)

t.test('what would not be forwarded is refused with 403, so that nginx takes it for a response', async (t) => {
  const gateway = await start(t)
  const alice = bearer(await gateway.signIn())
  const crooked = [
    '/orders/../public',
    '/orders//1',
    '/orders/%2e%2e/x',
    '/orders;x',
    'orders',
    'http://a/orders',
    '*',
    '',
  ]
  for (const target of [...crooked, '/orders, /orders/public', '/orders/public#x']) {
    const response = await ask(gateway, target, alice)
    t.match(response.json(), { status: 403, code: 'target_refused' }, target)
  }
  for (const method of ['TRACE', 'get', 'GET, GET', 'BREW', '']) {
    t.match((await ask(gateway, '/orders', alice, method)).json(), { code: 'target_refused' }, method)
  }
})

t.test('half a question is no question, and two that differ are none', async (t) => {
  const gateway = await start(t)
  const alice = bearer(await gateway.signIn())
  const get = (headers: object) => gateway.app.inject({ url: '/auth/verify', headers: { ...alice, ...headers } })
  t.match(await get({ 'x-original-uri': '/orders' }), { statusCode: 403 })
  t.match(await get({ 'x-forwarded-method': 'GET' }), { statusCode: 403 })
  // A client behind Traefik adds nginx's fields, and the other way round.
  const forged = { 'x-original-uri': '/orders/public', 'x-original-method': 'GET' }
  const named = { 'x-forwarded-uri': '/orders', 'x-forwarded-method': 'DELETE' }
  t.match(await get({ ...forged, ...named }), { statusCode: 403 })
  t.match(await get({ ...forged, 'x-forwarded-uri': '/orders/public', 'x-forwarded-method': 'DELETE' }), {
    statusCode: 403,
  })
  t.match(await get({ ...forged, 'x-forwarded-uri': '/orders/public', 'x-forwarded-method': 'GET' }), {
    statusCode: 200,
  })
})

t.test('Envoy’s question is in the request line alone', async (t) => {
  const gateway = await start(t)
  const headers = { 'x-original-uri': '/orders/public', 'x-original-method': 'GET' }
  t.match(await gateway.app.inject({ url: '/auth/verify/orders', headers }), { statusCode: 401 })
  const form = { 'content-type': 'application/x-www-form-urlencoded;;', 'content-length': '0' }
  const response = await gateway.app.inject({ method: 'POST', url: '/auth/verify/orders/public', headers: form })
  t.equal(response.statusCode, 200)
})

t.test('who is asking comes from the token alone', async (t) => {
  const gateway = await start(t)
  const forged = { 'x-auth-subject': 'root', 'x-auth-roles': 'admin', 'x-auth-session': 's', 'x-auth-scope': 'all' }
  t.match(await ask(gateway, '/orders', forged), { statusCode: 401 })
  t.match(await ask(gateway, '/orders/public', forged), { statusCode: 200, headers: silence })
  const alice = bearer(await gateway.signIn())
  t.match(await ask(gateway, '/orders', { ...forged, ...alice }), { headers: { 'x-auth-subject': 'alice' } })
})

t.test('it asks the store nothing, marks the delivery, and hears of an end at once', async (t) => {
  const gateway = await start(t)
  const tokens = await gateway.signIn()
  const asked: string[] = []
  for (const name of ['read', 'list', 'rotate'] as const) {
    const verb = gateway.store.sessions[name]
    Object.assign(gateway.store.sessions, {
      [name]: (...args: unknown[]) => {
        asked.push(name)
        return Reflect.apply(verb, gateway.store.sessions, args)
      },
    })
  }
  t.match(await ask(gateway, '/orders', bearer(tokens)), { statusCode: 200 })
  t.strictSame(asked, [])
  await gateway.app.delivery.flush()
  t.match(await gateway.store.sessions.read(tokens.session_id), { provenGeneration: 1 })
  await gateway.app.sessions.end(tokens.session_id, 'revoked_by_admin')
  t.match(await ask(gateway, '/orders', bearer(tokens)), { statusCode: 401 })
})

t.test('a cookie counts where the covering route takes it, by the method of the original request', async (t) => {
  const { gateway, enter } = await startCookieGateway(t, { verify: { uncovered: 'authenticated' } })
  const { access: cookie } = await enter()
  const typed = { cookie, 'sec-fetch-site': 'none' }
  const own = { cookie, 'sec-fetch-site': 'same-origin' }
  t.match(await ask(gateway, '/files/1', own, 'POST'), { statusCode: 200, headers: { 'x-auth-subject': 'alice' } })
  t.match(await ask(gateway, '/files/1', typed, 'GET'), { statusCode: 200 })
  t.match((await ask(gateway, '/files/1', typed, 'POST')).json(), { status: 403, code: 'origin_refused' })
  t.match((await ask(gateway, '/files/1', { cookie })).json(), { status: 403, code: 'origin_refused' })
  t.match(await ask(gateway, '/plain/1', own), { statusCode: 401 })
  t.match(await ask(gateway, '/nowhere', own), { statusCode: 401 })
  t.match(await gateway.app.inject({ url: '/auth/verify', headers: own }), { statusCode: 401 })
  t.match(await ask(gateway, '/staff', own), { statusCode: 403 })
  t.match(await ask(gateway, '/other', own), { statusCode: 401 })
  t.match(await ask(gateway, '/open', own), { statusCode: 200, headers: silence })
  const envoy = { url: '/auth/verify/files/1', headers: typed }
  t.match(await gateway.app.inject({ method: 'GET', ...envoy }), { statusCode: 200 })
  t.match(await gateway.app.inject({ method: 'POST', ...envoy }), { statusCode: 403 })
})

t.test('a proxy that says wss of a WebSocket asks for a page of https', async (t) => {
  const hosts = { issuer: ownOrigin, listed: ['www.test'], loopback: true }
  const { gateway, enter } = await startCookieGateway(t, { trustedProxies: ['127.0.0.1'], hosts })
  const { access: cookie } = await enter()
  const page = { cookie, origin: 'https://www.test', 'sec-fetch-site': 'same-origin', 'x-forwarded-host': 'www.test' }
  for (const [proto, statusCode] of [
    ['https', 200],
    ['wss', 200],
    ['HTTPS', 200],
    ['ws', 403],
  ] as const) {
    t.match(await ask(gateway, '/files/1', { ...page, 'x-forwarded-proto': proto }), { statusCode }, proto)
  }
})

t.test('two cookies are refused with 403, so that nginx takes it for a response', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const [{ access }, { access: other, accessToken: access_token }] = [await enter(), await enter('root')]
  const headers = { cookie: `${access}; ${other}`, 'sec-fetch-site': 'same-origin' }
  t.match((await ask(gateway, '/files', headers)).json(), { status: 403, code: 'target_refused' })
  t.match(await ask(gateway, '/files', { ...headers, ...bearer({ access_token }) }), { statusCode: 200 })
})
