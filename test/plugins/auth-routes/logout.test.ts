// POST /auth/logout: 204 whatever comes, and what it ends.
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, browserHeaders, cookiePair, password, setCookieOf, startGateway } from '../../support/gateway.ts'

const cleared =
  /^__Host-cardea_refresh=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict$/

t.test('a logout by cookie, without a body, ends the session and clears the cookie', async (t) => {
  const { app, post, events } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  const headers = browserHeaders(cookiePair(login))
  const response = await post('/auth/logout', undefined, { headers })
  t.equal(response.statusCode, 204)
  t.equal(response.body, '')
  t.match(setCookieOf(response), cleared)
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(login.json()) })).statusCode, 401)
  const refreshed = await post('/auth/token', { grant_type: 'refresh_token' }, { headers })
  t.match(refreshed.json(), { code: 'invalid_grant' })
  t.match(events('logout'), [{ sid: login.json().session_id, sub: 'alice' }])
  t.equal((await post('/auth/logout', undefined, { headers })).statusCode, 204, 'a second time too')
  t.equal(events('logout').length, 1)
})

t.test(
  'a logout by refresh token in JSON or a form, or by access token of any audience, ends that session',
  async (t) => {
    const { app, post, postForm, signIn } = await startGateway(t)
    const reason = async (sid: string) => (await app.sessions.read(sid))?.endReason
    const [a, b, c, d, untouched] = [await signIn(), await signIn(), await signIn(), await signIn(), await signIn()]
    t.equal((await post('/auth/logout', { refresh_token: a.refresh_token })).statusCode, 204)
    t.equal(await reason(a.session_id), 'logout')
    const form = await postForm('/auth/logout', `token_type_hint=refresh_token&refresh_token=${b.refresh_token}`)
    t.equal(form.statusCode, 204)
    t.equal(await reason(b.session_id), 'logout')
    t.equal((await post('/auth/logout', undefined, { headers: bearer(c) })).statusCode, 204)
    t.equal(await reason(c.session_id), 'logout')
    const elsewhere = await post('/auth/token', {
      grant_type: 'refresh_token',
      refresh_token: d.refresh_token,
      resource: 'https://orders.test',
    })
    t.equal((await post('/auth/logout', undefined, { headers: bearer(elsewhere.json()) })).statusCode, 204)
    t.equal(await reason(d.session_id), 'logout')
    t.equal(await reason(untouched.session_id), undefined)
  },
)

t.test('an access token that has expired names its session beyond doubt, so a logout by it ends that', async (t) => {
  const { app, post, signIn, clock, events } = await startGateway(t)
  const tokens = await signIn()
  const [head, claims, signature] = tokens.access_token.split('.')
  clock.advance(3_600_000)
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(tokens) })).statusCode, 401, 'it has expired')
  const forged = `${head}.${claims}.${signature?.slice(0, -8)}AAAAAAAA`
  await post('/auth/logout', undefined, { headers: { authorization: `Bearer ${forged}` } })
  t.notOk((await app.sessions.read(tokens.session_id))?.revokedAt, 'one that we did not sign ends nothing')
  t.equal((await post('/auth/logout', undefined, { headers: bearer(tokens) })).statusCode, 204)
  t.match(await app.sessions.read(tokens.session_id), { endReason: 'logout' })
  t.match(events('logout'), [{ sid: tokens.session_id, sub: 'alice' }])
  const refreshed = await post('/auth/token', { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
  t.match(refreshed.json(), { code: 'invalid_grant' })
})

t.test('unknown, forged, expired and missing tokens are 204 too, and end nothing', async (t) => {
  const { app, post, signIn, clock, events } = await startGateway(t, { config: { idleTtlSeconds: 1000 } })
  const live = await signIn()
  const forged = `${live.refresh_token.slice(0, -4)}AAAA`
  for (const body of [undefined, {}, { refresh_token: forged }, { refresh_token: 'x' }]) {
    const response = await post('/auth/logout', body)
    t.equal(response.statusCode, 204)
    t.equal(setCookieOf(response), undefined, 'without a cookie there is none to clear')
  }
  for (const authorization of [
    'Bearer x',
    'Bearer',
    `Bearer ${live.access_token}x`,
    'Basic eDp5',
    `Bearer ${live.refresh_token}`,
  ]) {
    t.equal((await post('/auth/logout', undefined, { headers: { authorization } })).statusCode, 204, authorization)
  }
  t.equal(events('logout').length, 0)
  t.equal((await app.sessions.read(live.session_id))?.revokedAt, undefined)
  clock.advance(2_000_000)
  t.equal((await post('/auth/logout', { refresh_token: live.refresh_token })).statusCode, 204)
})

// What pages and libraries send when all that they mean is "sign out".
const bodies: [what: string, headers: Record<string, string>, payload?: string][] = [
  ['sendBeacon without data', {}],
  ['sendBeacon of a text, and fetch with one', { 'content-type': 'text/plain;charset=UTF-8' }, 'bye'],
  ['fetch with an empty text', { 'content-type': 'text/plain;charset=UTF-8' }, ''],
  ['sendBeacon of a Blob without a type', {}, '{}'],
  ['sendBeacon of FormData', { 'content-type': 'multipart/form-data; boundary=x' }, '--x--\r\n'],
  ['sendBeacon of URLSearchParams', { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' }, ''],
  ['JSON without a text', { 'content-type': 'application/json' }, ''],
  ['JSON that is none', { 'content-type': 'application/json' }, '{'],
  ['JSON of something else', { 'content-type': 'application/json' }, '{"all":true}'],
  ['JSON in another charset', { 'content-type': 'application/json; charset=latin1' }, '{}'],
  ['a form with a parameter twice', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1&a=2'],
  ['a media type that is none', { 'content-type': 'text' }, 'x'],
  ['an empty media type', { 'content-type': '' }, 'x'],
  ['a picture', { 'content-type': 'image/png' }, 'x'.repeat(100_000)],
]

t.test('a logout by cookie or access token ends the session whatever its body is', async (t) => {
  const { app, post, signIn } = await startGateway(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  for (const [what, headers, payload] of bodies) {
    const login = await post('/auth/login', { username: 'alice', password })
    const bearing = await signIn()
    const presented = {
      [login.json().session_id]: browserHeaders(cookiePair(login)),
      [bearing.session_id]: bearer(bearing),
    }
    for (const [sid, credentials] of Object.entries(presented)) {
      const response = await send(app.listeningOrigin, { ...headers, ...credentials }, payload)
      t.equal(response.status, 204, what)
      t.equal((await app.sessions.read(sid))?.endReason, 'logout', what)
      t.equal(response.setCookie?.length ?? 0, 'cookie' in credentials ? 1 : 0, what)
    }
  }
})

t.test('a logout ends what its cookie names before its body has come', async (t) => {
  const { app, post } = await startGateway(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const login = await post('/auth/login', { username: 'alice', password })
  const socket = connect(Number(new URL(app.listeningOrigin).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  const fields = Object.entries({ ...browserHeaders(cookiePair(login)), 'content-type': 'application/json' })
  const lines = [
    'POST /auth/logout HTTP/1.1',
    'host: localhost',
    'content-length: 100',
    ...fields.map(([name, value]) => `${name}: ${value}`),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n{`)
  const { session_id } = login.json()
  await eventually('it ended', async () => (await app.sessions.read(session_id))?.endReason === 'logout')
})

t.test('where only the body could say which session is meant, one that nobody can read is refused', async (t) => {
  const { app } = await startGateway(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const statuses = new Map<string, number>()
  for (const [what, headers, payload] of bodies)
    statuses.set(what, (await send(app.listeningOrigin, headers, payload)).status)
  t.same(Object.fromEntries(statuses), {
    'sendBeacon without data': 204,
    'sendBeacon of a text, and fetch with one': 415,
    'fetch with an empty text': 204,
    'sendBeacon of a Blob without a type': 415,
    'sendBeacon of FormData': 415,
    'sendBeacon of URLSearchParams': 204,
    'JSON without a text': 204,
    'JSON that is none': 400,
    'JSON of something else': 400,
    'JSON in another charset': 415,
    'a form with a parameter twice': 400,
    'a media type that is none': 415,
    'an empty media type': 415,
    'a picture': 413,
  })
})

function send(
  origin: string,
  headers: Record<string, string>,
  payload = '',
): Promise<{ status: number; setCookie: string[] | undefined }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL('/auth/logout', origin), { method: 'POST', headers }, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, setCookie: response.headers['set-cookie'] }))
    })
    request.on('error', reject)
    request.end(payload)
  })
}

t.test('a logout that is malformed, or comes while the store is away, ends nothing and says so', async (t) => {
  const { app, store, post, signIn } = await startGateway(t)
  const live = await signIn()
  t.equal((await post('/auth/logout', { refresh_token: 1 })).statusCode, 400)
  t.equal((await post('/auth/logout', { refresh_token: live.refresh_token, all: true })).statusCode, 400)
  t.equal((await post('/auth/logout', [])).statusCode, 400)
  const text = { method: 'POST', url: '/auth/logout', headers: { 'content-type': 'text/plain' }, payload: 'x' } as const
  t.equal((await app.inject(text)).statusCode, 415)
  t.equal((await app.inject({ method: 'GET', url: '/auth/logout' })).statusCode, 405)
  store.sessions.end = async () => {
    throw new StoreUnavailable('away')
  }
  const away = await post('/auth/logout', { refresh_token: live.refresh_token })
  t.match(away.json(), { status: 503, code: 'store_unavailable' })
  t.equal(setCookieOf(away), undefined, 'the cookie is still worth something')
})
