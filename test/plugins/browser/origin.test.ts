// The origin rule: every combination of the two fields a browser sends, on the routes that read the refresh cookie and on those
// that take the access token from one.
import t from 'tap'
import { startCookieGateway } from '../../support/cookie-gateway.ts'
import { browserHeaders, cookiePair, ownOrigin, password, setCookieOf, startGateway } from '../../support/gateway.ts'

const friend = 'https://app.friend.test'
const host = 'localhost:80'

type Case = [headers: Record<string, string>, granted: boolean, why?: string]

// Each with the refresh cookie, on a gateway whose issuer is https://gateway.test and which allows https://app.friend.test.
const withCookie: Case[] = [
  [{}, false, 'headers_missing'],
  [{ origin: ownOrigin }, true],
  [{ origin: `http://${host}`, host }, true],
  [{ origin: 'http://127.0.0.1:3000', host: '127.0.0.1:3000' }, true],
  [{ origin: `http://LOCALHOST:1`, host: 'LOCALHOST:1' }, false, 'origin_foreign'],
  [{ origin: 'http://localhost:1', host: 'LOCALHOST:1' }, true],
  [{ 'sec-fetch-site': 'same-origin' }, true],
  [{ origin: ownOrigin, 'sec-fetch-site': 'same-origin' }, true],
  [{ origin: friend }, true],
  [{ origin: friend, 'sec-fetch-site': 'cross-site' }, true],
  [{ origin: friend, 'sec-fetch-site': 'same-site' }, true],
  [{ 'sec-fetch-site': 'cross-site' }, false, 'site_foreign'],
  [{ 'sec-fetch-site': 'same-site' }, false, 'site_foreign'],
  [{ 'sec-fetch-site': 'none' }, false, 'not_a_navigation'],
  [{ origin: ownOrigin, 'sec-fetch-site': 'none' }, false, 'not_a_navigation'],
  [{ origin: ownOrigin, 'sec-fetch-site': 'cross-site' }, false, 'site_foreign'],
  [{ origin: ownOrigin, 'sec-fetch-site': 'same-site' }, false, 'site_foreign'],
  [{ origin: ownOrigin, 'sec-fetch-site': 'Same-Origin' }, false, 'site_unknown'],
  [{ origin: ownOrigin, 'sec-fetch-site': '' }, false, 'site_unknown'],
  [{ origin: ownOrigin, 'sec-fetch-site': 'same-origin, cross-site' }, false, 'site_unknown'],
  ...[
    'null',
    '',
    'https://evil.test',
    'http://gateway.test',
    'https://gateway.test:443',
    'https://gateway.test/',
    'https://gateway.test.evil.test',
    'https://evilgateway.test',
    'https://x.gateway.test',
    'https://gateway.test@evil.test',
    'https://evil.test#gateway.test',
    'https://evil.test/https://gateway.test',
    'HTTPS://GATEWAY.TEST',
    'gateway.test',
    '//gateway.test',
    'https://gateway.test https://evil.test',
    'https://gateway.test, https://gateway.test',
    'https://app.friend.test.evil.test',
    'https://APP.friend.test',
    'http://app.friend.test',
    'https://friend.test',
    'file://',
    'https://localhost:80',
  ].flatMap((origin): Case[] => [
    [{ origin }, false, 'origin_foreign'],
    [{ origin, 'sec-fetch-site': 'same-origin' }, false, 'origin_foreign'],
    [{ origin, 'sec-fetch-site': 'cross-site' }, false, 'origin_foreign'],
  ]),
]

t.test('cookie requests: what the two fields do not clearly allow is refused, and changes nothing', async (t) => {
  const { app, post, events } = await startGateway(t, { config: { allowedOrigins: [friend, 'null'] } })
  const login = await post('/auth/login', { username: 'alice', password })
  const { session_id } = login.json()
  let cookie = cookiePair(login)
  for (const [headers, granted, why] of withCookie) {
    const response = await post('/auth/token', { grant_type: 'refresh_token' }, { headers: { ...headers, cookie } })
    t.equal(response.statusCode, granted ? 200 : 403, JSON.stringify(headers))
    if (granted) cookie = cookiePair(response)
    else {
      t.match(response.json(), { code: 'origin_refused', error: 'invalid_request' })
      t.equal(setCookieOf(response), undefined)
      t.equal(events('origin_refused').at(-1)?.['detail'], why, JSON.stringify(headers))
      for (const [url, body] of [
        ['/auth/logout', undefined],
        ['/auth/login', { username: 'alice', password }],
      ] as const) {
        t.equal((await post(url, body, { headers: { ...headers, cookie } })).statusCode, 403, `${url} ${why}`)
      }
    }
  }
  t.equal((await app.sessions.read(session_id))?.revokedAt, undefined)
  t.equal((await app.sessions.list('alice')).length, 1)
})

t.test('the same rule holds where the access token comes in a cookie, less the reads that a user typed', async (t) => {
  const { gateway, service, enter } = await startCookieGateway(t, { allowedOrigins: [friend, 'null'] })
  const { access: cookie } = await enter()
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
    for (const [headers, granted, why] of withCookie) {
      const isTyped = why === 'not_a_navigation' && (method === 'GET' || method === 'HEAD')
      const response = await gateway.app.inject({ method, url: '/files/1', headers: { ...headers, cookie } })
      t.equal(response.statusCode, granted || isTyped ? 200 : 403, `${method} ${JSON.stringify(headers)}`)
      const arrived = service.received.splice(0)
      t.equal(arrived.length, granted || isTyped ? 1 : 0, 'nothing refused reaches the service')
      if (response.statusCode === 200) continue
      if (method !== 'HEAD') t.match(response.json(), { code: 'origin_refused' })
      t.match(gateway.events('origin_refused').at(-1), { detail: why, granted: false })
    }
  }
})

t.test('without the cookie, a client that is no browser needs neither field', async (t) => {
  const { post, signIn } = await startGateway(t)
  const { refresh_token } = await signIn()
  t.equal((await post('/auth/token', { grant_type: 'refresh_token', refresh_token })).statusCode, 200)
  const other = { headers: { cookie: 'theme=dark' } }
  t.equal((await post('/auth/login', { username: 'alice', password }, other)).statusCode, 200)
})

t.test('a page of another site cannot sign a browser in, even without a cookie', async (t) => {
  const { app, post } = await startGateway(t)
  for (const headers of [
    { origin: 'https://evil.test' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'none' },
  ]) {
    const response = await post('/auth/login', { username: 'alice', password }, { headers })
    t.equal(response.statusCode, 403, JSON.stringify(headers))
    t.equal(setCookieOf(response), undefined)
  }
  t.equal((await app.sessions.list('alice')).length, 0)
})

t.test('a client that shows no cookie and wants none comes from any origin', async (t) => {
  const { app, post, postForm, events } = await startGateway(t)
  const origins = ['https://evil.test', 'capacitor://localhost', 'tauri://localhost', 'ionic://localhost', 'null']
  for (const headers of [...origins.map((origin) => ({ origin })), { 'sec-fetch-site': 'none' }]) {
    const login = await post('/auth/login', { username: 'alice', password, delivery: 'body' }, { headers })
    t.equal(login.statusCode, 200, JSON.stringify(headers))
    t.notMatch(setCookieOf(login), 'cardea_refresh')
    const { refresh_token, access_token, session_id } = login.json()
    const form = `grant_type=refresh_token&refresh_token=${refresh_token}`
    t.equal((await postForm('/auth/token', form, { headers })).statusCode, 200, JSON.stringify(headers))
    const bearer = { authorization: `Bearer ${access_token}`, ...headers }
    t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: bearer })).statusCode, 204)
    t.ok((await app.sessions.read(session_id))?.revokedAt)
  }
  t.same(events('origin_refused'), [])
})

t.test('delivery by body is no way around the rule for who shows a cookie', async (t) => {
  const { app, post } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  const headers = { origin: 'https://evil.test', cookie: cookiePair(login) }
  const again = await post('/auth/login', { username: 'alice', password, delivery: 'body' }, { headers })
  t.equal(again.statusCode, 403)
  t.equal((await app.sessions.read(login.json().session_id))?.revokedAt, undefined)
  for (const body of [{ delivery: 'Body' }, { delivery: ['body'] }, { delivery: null }, []]) {
    const odd = await post('/auth/login', body, { headers: { origin: 'https://evil.test' } })
    t.equal(odd.statusCode, 403, JSON.stringify(body))
  }
})

t.test('the access token’s cookie is one of those that only our own pages show', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const { access: cookie } = await enter()
  const headers = { origin: 'https://evil.test', 'sec-fetch-site': 'same-site', cookie }
  const response = await gateway.app.inject({ method: 'POST', url: '/auth/logout', headers })
  t.equal(response.statusCode, 403)
  t.equal(setCookieOf(response), undefined)
})

t.test('where a cookie came along, the refusal comes before the body is looked at', async (t) => {
  const { app, post } = await startGateway(t)
  const cookie = cookiePair(await post('/auth/login', { username: 'alice', password }))
  const response = await app.inject({
    method: 'POST',
    url: '/auth/login',
    headers: { ...browserHeaders(cookie), origin: 'https://evil.test', 'content-type': 'text/plain' },
    payload: 'x'.repeat(10_000),
  })
  t.equal(response.statusCode, 403)
})

t.test('an own origin is the request’s own address only as a trusted proxy tells it', async (t) => {
  const spoofed = { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'https', origin: 'https://evil.test' }
  const direct = await startGateway(t)
  const login = { username: 'alice', password }
  t.equal((await direct.post('/auth/login', login, { headers: spoofed })).statusCode, 403)
  const hosts = { issuer: ownOrigin, listed: ['www.test'], loopback: true }
  const proxied = await startGateway(t, { config: { trustedProxies: ['127.0.0.1'], hosts } })
  const headers = { 'x-forwarded-host': 'www.test', 'x-forwarded-proto': 'https', origin: 'https://www.test' }
  t.equal((await proxied.post('/auth/login', login, { headers })).statusCode, 200)
  t.equal((await proxied.post('/auth/login', login, { headers: spoofed })).statusCode, 421, 'and is one of ours')
})

t.test(
  'X-Forwarded-Proto of a trusted proxy is a scheme in capitals too, and wss and ws are https and http',
  async (t) => {
    const hosts = { issuer: ownOrigin, listed: ['www.test'], loopback: true }
    const { post } = await startGateway(t, { config: { trustedProxies: ['127.0.0.1'], hosts } })
    const login = { username: 'alice', password }
    const signInBy = async (proto: string, origin: string) => {
      const headers = { 'x-forwarded-host': 'www.test', 'x-forwarded-proto': proto, origin }
      return (await post('/auth/login', login, { headers })).statusCode
    }
    for (const proto of ['https', 'HTTPS', 'Https', 'wss', 'WSS']) {
      t.equal(await signInBy(proto, 'https://www.test'), 200, proto)
      t.equal(await signInBy(proto, 'http://www.test'), 403, proto)
    }
    for (const proto of ['http', 'HTTP', 'ws', 'ftp', 'httpsx', '']) {
      t.equal(await signInBy(proto, 'https://www.test'), 403, proto)
    }
    t.equal(await signInBy('ws', 'http://www.test'), 200)
    t.equal(await signInBy('gopher', 'gopher://www.test'), 403, 'no page has such an origin')
  },
)
