// Attacks by way of the access token's cookie: requests that a foreign page has a browser send, cookies that look like it, tokens
// that are none, and the ways around the routes that take it. Whatever is refused here must not reach the service.
import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { accessCookieName, refreshCookieName } from '../../../plugins/browser/cookies.ts'
import { type CookieGateway, startCookieGateway } from '../../support/cookie-gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, browserHeaders, ownOrigin } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'

type Headers = Record<string, string>

const own = { 'sec-fetch-site': 'same-origin' }

/** Sends a request to the scene's service; @returns status and code of the response, and whether it arrived there. */
async function send({ gateway, service }: CookieGateway, headers: Headers, url = '/files/1', method = 'GET') {
  service.received.length = 0
  // Boundary: a text that is one of the methods inject knows.
  const response = await gateway.app.inject({ method: method as 'GET', url, headers })
  const [, code = ''] = /"code":"(\w+)"/.exec(response.body) ?? []
  return { status: response.statusCode, code, arrived: service.received.length }
}

// What a browser says of a request that another page has it send; the cookie would not even come along (SameSite=Strict).
const foreign: [name: string, headers: Headers][] = [
  ['a form of another site', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }],
  ['an image of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  ['a link of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }],
  ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['a sandboxed frame of our own', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
  ['a sibling that is not listed', { origin: 'https://other.gateway.test', 'sec-fetch-site': 'same-site' }],
  ['a link of a sibling', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' }],
  ['an old browser', { origin: 'https://evil.test' }],
  ['a program, or a browser that says nothing', {}],
  ['only a referrer', { referer: `${ownOrigin}/` }],
  ['two responses at once', { 'sec-fetch-site': 'same-origin, cross-site' }],
]

t.test('no foreign page reads or writes anything with the victim’s cookie', async (t) => {
  const scene = await startCookieGateway(t)
  const { access: cookie } = await scene.enter()
  for (const [name, headers] of foreign) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const refused = { status: 403, arrived: 0 }
      t.match(await send(scene, { ...headers, cookie }, '/files/1', method), refused, `${name}: ${method}`)
    }
  }
  t.equal(scene.gateway.events('origin_refused').length, foreign.length * 7)
  t.match(await send(scene, { ...own, cookie }, '/files/1', 'POST'), { status: 200, arrived: 1 })
})

t.test('what a user typed reads, and writes nothing, with an override or without', async (t) => {
  const scene = await startCookieGateway(t)
  const { access: cookie } = await scene.enter()
  const typed = { 'sec-fetch-site': 'none', cookie, 'x-http-method-override': 'POST' }
  for (const method of ['GET', 'HEAD']) t.match(await send(scene, typed, '/files/1', method), { status: 200 }, method)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    t.match(await send(scene, typed, '/files/1', method), { status: 403, arrived: 0 }, method)
  }
})

t.test(
  'cookie tossing: of two cookies none is picked, in one field or two, and the order does not count',
  async (t) => {
    const scene = await startCookieGateway(t)
    const [mine, other] = [await scene.enter(), await scene.enter('root')]
    for (const cookie of [
      `${mine.access}; ${other.access}`,
      `${other.access}; ${mine.access}`,
      `${mine.access}; ${mine.access}`,
      `${mine.access}; ${accessCookieName}=`,
      `${accessCookieName} =;x=1;\t${mine.access}`,
    ]) {
      const refused = { status: 400, code: 'invalid_request', arrived: 0 }
      t.match(await send(scene, { ...own, cookie }), refused, cookie.replaceAll(/=[^;]+/g, '=…'))
    }
    const { port } = new URL(await scene.gateway.app.listen({ host: '127.0.0.1', port: 0 }))
    const fields = ['Host: a', 'Sec-Fetch-Site: same-origin', `Cookie: ${mine.access}`, `cookie: ${other.access}`]
    const { text } = await sendRaw(
      Number(port),
      `GET /files/1 HTTP/1.1\r\n${fields.join('\r\n')}\r\nConnection: close\r\n\r\n`,
    )
    t.match(text, /^HTTP\/1\.1 400 /)
    t.equal(scene.service.received.length, 0)
  },
)

t.test('nothing that only looks like the cookie is one, and none of it reaches the service', async (t) => {
  const scene = await startCookieGateway(t)
  const { accessToken } = await scene.enter()
  for (const name of [
    accessCookieName.toLowerCase(),
    accessCookieName.toUpperCase(),
    '__Secure-cardea_access',
    'cardea_access',
    '__Host%2Dcardea_access',
    `"${accessCookieName}"`,
    `${accessCookieName}3`,
    `x${accessCookieName}`,
    `=${accessCookieName}`,
    `x=${accessCookieName}`,
    `\u00a0${accessCookieName}`,
  ]) {
    const missing = { status: 401, code: 'unauthenticated', arrived: 0 }
    t.match(await send(scene, { ...own, cookie: `${name}=${accessToken}` }), missing, name)
    // Those of another name are the client’s own business.
    if (name === 'cardea_access' || name.includes('%')) continue
    const headers = { ...bearer({ access_token: accessToken }), cookie: `a=1; ${name}=${accessToken}` }
    t.match(await send(scene, headers), { status: 200, arrived: 1 })
    t.notMatch(scene.service.received[0]?.rawHeaders.join(' '), accessToken, `${name} is not passed on`)
  }
})

t.test('a value is taken as it is: quoted, encoded, cut or prefixed it is no token', async (t) => {
  const scene = await startCookieGateway(t)
  const { accessToken, refresh } = await scene.enter()
  const refreshToken = refresh.slice(refreshCookieName.length + 1)
  for (const value of [
    '',
    `"${accessToken}"`,
    accessToken.replaceAll('.', '%2E'),
    `Bearer ${accessToken}`,
    `${accessToken}=`,
    accessToken.slice(0, -1),
    `${accessToken},${accessToken}`,
    refreshToken,
  ]) {
    const refused = { status: 401, code: 'invalid_token', arrived: 0 }
    t.match(await send(scene, { ...own, cookie: `${accessCookieName}=${value}` }), refused, value.slice(0, 9))
  }
})

t.test(
  'an access token in the refresh cookie refreshes nothing, and the refresh cookie alone opens no route',
  async (t) => {
    const scene = await startCookieGateway(t)
    const { accessToken, refresh, sid } = await scene.enter()
    const headers = browserHeaders(`${refreshCookieName}=${accessToken}`)
    const response = await scene.gateway.post('/auth/token', { grant_type: 'refresh_token' }, { headers })
    t.match(response.json(), { status: 400, code: 'invalid_grant' })
    t.equal((await scene.gateway.app.sessions.read(sid))?.revokedAt, undefined)
    t.match(await send(scene, { ...own, cookie: refresh }), { status: 401, code: 'unauthenticated', arrived: 0 })
  },
)

t.test('the cookie of a session that ended, or that has expired, opens nothing', async (t) => {
  const scene = await startCookieGateway(t)
  const [ended, late] = [await scene.enter(), await scene.enter()]
  await scene.gateway.app.sessions.end(ended.sid, 'revoked_by_admin')
  const refused = { status: 401, code: 'invalid_token', arrived: 0 }
  t.match(await send(scene, { ...own, cookie: ended.access }), refused)
  t.match(await send(scene, { ...own, cookie: late.access }), { status: 200 })
  scene.gateway.clock.advance(301_000)
  t.match(await send(scene, { ...own, cookie: late.access }), refused)
  const [revoked, expired] = ['token_revoked', 'token_expired'].map((reason) => scene.gateway.events(reason))
  t.match([revoked, expired], [[{ sid: ended.sid }], [{ granted: false }]])
})

t.test('where a route does not take it, it is nothing: other routes, our own, and public ones', async (t) => {
  const scene = await startCookieGateway(t)
  const { access: cookie } = await scene.enter('root')
  const headers = { ...browserHeaders(), cookie }
  for (const [method, url] of [
    ['GET', '/plain/1'],
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['POST', '/auth/password'],
    ['GET', '/admin/users'],
    ['POST', '/admin/revocations'],
    ['GET', '/metrics'],
  ] as const) {
    const missing = { status: 401, code: 'unauthenticated', arrived: 0 }
    t.match(await send(scene, headers, url, method), missing, `${method} ${url}`)
  }
  const foreignPage = { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site', cookie: `${cookie}; ${cookie}` }
  t.match(await send(scene, foreignPage, '/open/1'), { status: 200, arrived: 1 })
  t.notMatch(scene.service.received[0]?.rawHeaders.join(' '), /x-auth-|cardea_access/)
})

t.test('policies, scopes and audiences are those of the token, wherever it came from', async (t) => {
  const scene = await startCookieGateway(t)
  const [alice, root] = [await scene.enter(), await scene.enter('root')]
  const elsewhere = await scene.enter('alice', { resource: 'https://orders.test' })
  for (const [caller, url, expected] of [
    [alice, '/staff', { status: 403, code: 'forbidden', arrived: 0 }],
    [root, '/staff', { status: 200, arrived: 1 }],
    [alice, '/read', { status: 200, arrived: 1 }],
    [root, '/read', { status: 403, code: 'insufficient_scope', arrived: 0 }],
    [alice, '/other', { status: 401, code: 'invalid_token', arrived: 0 }],
    [elsewhere, '/other', { status: 200, arrived: 1 }],
    [elsewhere, '/files', { status: 401, code: 'invalid_token', arrived: 0 }],
  ] as const) {
    t.match(await send(scene, { ...own, cookie: caller.access }, url), expected, url)
  }
})

t.test('a Bearer is the one that counts: a wrong one beside a right cookie is 401', async (t) => {
  const scene = await startCookieGateway(t)
  const [alice, root] = [await scene.enter(), await scene.enter('root')]
  const headers = { ...own, cookie: alice.access }
  for (const authorization of ['Bearer x.y.z', 'Bearer', `Bearer ${alice.accessToken}x`]) {
    t.match(await send(scene, { ...headers, authorization }), { status: 401, code: 'invalid_token', arrived: 0 })
  }
  await send(scene, { ...headers, ...bearer({ access_token: root.accessToken }) })
  t.equal(scene.service.received[0]?.headers['x-auth-subject'], 'root')
})

t.test(
  'the service is told who asks and by which way, and gets neither token; the response is nobody else’s',
  async (t) => {
    const scene = await startCookieGateway(t, {}, ({ url }, response) => {
      if (url === '/files/kept') response.setHeader('cache-control', 'max-age=60')
      response.setHeader('set-cookie', [`${accessCookieName}=evil; Path=/; Secure`, 'theirs=1'])
      response.end('ok')
    })
    const { cookie, accessToken } = await scene.enter()
    const headers = { ...own, cookie: `theme=dark; ${cookie}`, authorization: 'Basic YTpi', 'x-auth-subject': 'root' }
    const response = await scene.gateway.app.inject({ url: '/files/1', headers })
    t.match(scene.service.received[0]?.headers, {
      cookie: 'theme=dark',
      via: '1.1 cardea',
      'x-auth-subject': 'alice',
      'x-forwarded-for': '127.0.0.1',
    })
    t.notMatch(scene.service.received[0]?.rawHeaders.join(' '), accessToken)
    t.equal(response.headers['set-cookie'], 'theirs=1')
    t.equal(response.headers['cache-control'], 'private, no-store')
    const kept = await scene.gateway.app.inject({ url: '/files/kept', headers: { ...own, cookie } })
    t.same(kept.headers['cache-control'], ['max-age=60', 'private'])
    t.notMatch(JSON.stringify(scene.gateway.log), accessToken, 'nor does the log')
  },
)

t.test('a WebSocket opens with the cookie from our own pages alone, and ends with its session', async (t) => {
  const scene = await startCookieGateway(t)
  const address = await scene.gateway.app.listen({ host: '127.0.0.1', port: 0 })
  const { access: cookie, sid } = await scene.enter()
  const statusOf = async (headers: Headers, path = '/files/ws') => {
    const socket = new WebSocket(`${address.replace('http', 'ws')}${path}`, { headers })
    t.teardown(() => socket.terminate())
    socket.on('error', () => {})
    const [, response] = await once(socket, 'unexpected-response')
    response.resume()
    return response.statusCode
  }
  const errorResponses: Headers[] = [
    ...foreign.map(([, headers]) => headers),
    { 'sec-fetch-site': 'none' },
    { origin: ownOrigin, 'sec-fetch-site': 'none' },
    { origin: ownOrigin, 'sec-fetch-site': 'cross-site' },
  ]
  for (const headers of errorResponses) t.equal(await statusOf({ ...headers, cookie }), 403, JSON.stringify(headers))
  t.equal(await statusOf({ origin: ownOrigin, cookie }, '/plain/ws'), 401)
  t.equal(await statusOf({ origin: ownOrigin, cookie, 'sec-websocket-protocol': 'bearer, x.y.z' }), 401)
  t.equal(scene.service.received.length, 0)
  await scene.gateway.app.sessions.end(sid, 'revoked_by_admin')
  t.equal(await statusOf({ origin: ownOrigin, cookie }), 401)
})

t.test('an open response to a cookie is cut when its session is revoked', async (t) => {
  const scene = await startCookieGateway(t, {}, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  })
  const address = await scene.gateway.app.listen({ host: '127.0.0.1', port: 0 })
  const { access: cookie, sid } = await scene.enter()
  const response = await fetch(`${address}/files/stream`, { headers: { cookie, ...own } })
  t.equal(response.status, 200)
  let isCut = false
  void response.text().catch(() => {
    isCut = true
  })
  await scene.gateway.app.sessions.end(sid, 'revoked_by_admin')
  await eventually('the stream is cut', () => isCut)
  t.match(scene.gateway.events('stream_cut'), [{ sid, sub: 'alice', detail: 'revoked' }])
})

t.test('a limit counts the subject of the cookie, and the token proves that it was delivered', async (t) => {
  const scene = await startCookieGateway(t)
  const limited = { prefix: '/files', upstream: scene.service.url, accessCookie: true }
  const narrow = await startCookieGateway(t, { routes: [{ ...limited, rateLimit: '2/1m' }] })
  const [alice, root] = [await narrow.enter(), await narrow.enter('root')]
  const statuses: number[] = []
  for (const { access } of [alice, alice, alice, root]) {
    statuses.push((await narrow.gateway.app.inject({ url: '/files', headers: { ...own, cookie: access } })).statusCode)
  }
  t.strictSame(statuses, [200, 200, 429, 200])
  await narrow.gateway.app.delivery.flush()
  t.match(await narrow.gateway.store.sessions.read(alice.sid), { provenGeneration: 1 })
})
