// Cross-site request forgery as browsers can do it: what a foreign page sends, with the victim's cookie, over a real socket.
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { cookiePair, ownOrigin, password, startGateway } from '../../support/gateway.ts'

interface Sent {
  status: number
  setCookie: string[] | undefined
}

function send(
  origin: string,
  path: string,
  headers: Record<string, string>,
  body = '',
  method = 'POST',
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, origin), { method, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, setCookie: response.headers['set-cookie'] }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

// The ways a foreign page has: a form of each encoding, fetch without CORS, an image, a sandboxed frame, an old browser.
const foreign: [name: string, headers: Record<string, string>][] = [
  [
    'a form',
    {
      origin: 'https://evil.test',
      'sec-fetch-site': 'cross-site',
      'content-type': 'application/x-www-form-urlencoded',
    },
  ],
  ['a text form', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' }],
  ['fetch, no-cors', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  ['fetch, JSON', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' }],
  ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' }],
  ['a sibling site', { origin: 'https://other.gateway.test', 'sec-fetch-site': 'same-site' }],
  ['an old browser', { origin: 'https://evil.test' }],
  ['an old browser that hides the origin', { referer: 'https://evil.test/' }],
  ['our page over http', { origin: 'http://gateway.test', 'sec-fetch-site': 'cross-site' }],
]

t.test('no foreign page can refresh, sign out or sign in with the victim’s cookie', async (t) => {
  const { app, post } = await startGateway(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const login = await post('/auth/login', { username: 'alice', password })
  const cookie = cookiePair(login)
  for (const [name, headers] of foreign) {
    for (const [path, body] of [
      ['/auth/token', 'grant_type=refresh_token'],
      ['/auth/token', '{"grant_type":"refresh_token"}'],
      ['/auth/logout', ''],
      ['/auth/login', JSON.stringify({ username: 'root', password })],
    ] as const) {
      const sent = await send(app.listeningOrigin, path, { ...headers, cookie }, body)
      t.match(sent, { status: 403, setCookie: undefined }, `${name}: ${path}`)
    }
  }
  const session = await app.sessions.read(login.json().session_id)
  t.match({ generation: session?.generation, revokedAt: session?.revokedAt }, { generation: 1, revokedAt: undefined })
  const own = { origin: ownOrigin, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json', cookie }
  t.equal((await send(app.listeningOrigin, '/auth/token', own, '{"grant_type":"refresh_token"}')).status, 200)
})

t.test('nothing that changes a session answers a GET, a HEAD or a method override', async (t) => {
  const { app, post } = await startGateway(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const login = await post('/auth/login', { username: 'alice', password })
  const headers = { cookie: cookiePair(login), 'sec-fetch-site': 'none', 'x-http-method-override': 'POST' }
  for (const path of [
    '/auth/logout',
    '/auth/token?grant_type=refresh_token',
    '/auth/login',
    '/auth/logout?_method=POST',
  ]) {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH']) {
      const { status } = await send(app.listeningOrigin, path, headers, '', method)
      t.ok([404, 405].includes(status), `${method} ${path} ${status}`)
    }
  }
  t.equal((await app.sessions.read(login.json().session_id))?.revokedAt, undefined)
})

t.test('the cookie alone opens nothing but refresh and logout', async (t) => {
  const { app, post } = await startGateway(t)
  const login = await post('/auth/login', { username: 'root', password })
  const headers = { origin: ownOrigin, 'sec-fetch-site': 'same-origin', cookie: cookiePair(login) }
  for (const [method, url] of [
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['GET', '/admin/users'],
    ['POST', '/admin/users'],
    ['POST', '/auth/password'],
  ] as const) {
    t.equal((await app.inject({ method, url, headers })).statusCode, 401, `${method} ${url}`)
  }
})
