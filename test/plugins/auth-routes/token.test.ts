// POST /auth/token: rotation in both deliveries and both encodings, and every refusal with its RFC 6749 error.
import t from 'tap'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { CookieJar } from '../../support/cookie-jar.ts'
import {
  bearer,
  browserHeaders,
  cookiePair,
  password,
  setCookieOf,
  startGateway,
  type Tokens,
} from '../../support/gateway.ts'

const refreshForm = (token: string, more = '') => `grant_type=refresh_token&refresh_token=${token}${more}`

t.test('a refresh token in a form gives a new pair of the same session (RFC 6749 section 6)', async (t) => {
  const { app, signIn, postForm, events } = await startGateway(t)
  const first = await signIn()
  const response = await postForm('/auth/token', refreshForm(first.refresh_token, '&client_id=cardea&unknown=1'))
  t.equal(response.statusCode, 200)
  t.equal(response.headers['cache-control'], 'no-store')
  t.equal(setCookieOf(response), undefined)
  const next = response.json<Tokens>()
  t.match(next, { token_type: 'Bearer', session_id: first.session_id, scope: 'orders:read orders:write' })
  t.not(next.refresh_token, first.refresh_token)
  t.not(next.access_token, first.access_token)
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(next) })).statusCode, 200)
  t.match(events('rotated'), [{ sid: first.session_id, sub: 'alice', granted: true }])
})

t.test('a parameter without a value is as if omitted, in a form and in JSON', async (t) => {
  const { post, postForm } = await startGateway(t)
  let cookie = cookiePair(await post('/auth/login', { username: 'alice', password }))
  const empty = { refresh_token: '', scope: '', resource: '', client_id: '' }
  const headers = () => browserHeaders(cookie)
  const inJson = await post('/auth/token', { grant_type: 'refresh_token', ...empty }, { headers: headers() })
  t.match({ status: inJson.statusCode, ...inJson.json() }, { status: 200, scope: 'orders:read orders:write' })
  cookie = cookiePair(inJson)
  const form = new URLSearchParams({ grant_type: 'refresh_token', ...empty }).toString()
  t.equal((await postForm('/auth/token', form, { headers: headers() })).statusCode, 200)
  for (const body of [{ grant_type: '' }, { ...empty, grant_type: 'refresh_token', more: 1 }, []])
    t.equal((await post('/auth/token', body, { headers: headers() })).json().error, 'invalid_request')
})

t.test('the same in JSON, and the same bytes again when the response was lost', async (t) => {
  const { signIn, post, clock } = await startGateway(t)
  const first = await signIn()
  const body = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
  const next = await post('/auth/token', body)
  clock.advance(9_000)
  const again = await post('/auth/token', body)
  t.equal(again.statusCode, 200)
  t.equal(again.json().refresh_token, next.json().refresh_token)
  t.equal(again.json().refresh_expires_in, 7 * 86_400 - 9, 'what is left of it, not what it had')
})

t.test('a refresh token in the cookie is answered by cookie, without it in the body', async (t) => {
  const { post, clock } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  clock.advance(60_000)
  const response = await post(
    '/auth/token',
    { grant_type: 'refresh_token' },
    { headers: browserHeaders(cookiePair(login)) },
  )
  t.equal(response.statusCode, 200)
  t.equal(response.json().refresh_token, undefined)
  t.match(
    setCookieOf(response),
    /^__Host-cardea_refresh=[\w-]{94}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  )
  t.not(cookiePair(response), cookiePair(login))
})

t.test('cookie and body together must be the same token, and the response stays a cookie', async (t) => {
  const { post, signIn } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  const refresh_token = cookiePair(login).split('=')[1]
  const other = await signIn()
  const headers = browserHeaders(cookiePair(login))
  const differ = await post(
    '/auth/token',
    { grant_type: 'refresh_token', refresh_token: other.refresh_token },
    { headers },
  )
  t.match(differ.json(), { status: 400, code: 'invalid_request', error: 'invalid_request' })
  const same = await post('/auth/token', { grant_type: 'refresh_token', refresh_token }, { headers })
  t.equal(same.statusCode, 200)
  t.equal(same.json().refresh_token, undefined)
})

t.test('a late refusal of an old session leaves the cookie of a newer sign-in alone', async (t) => {
  const { post } = await startGateway(t)
  const jar = new CookieJar()
  const login = async () =>
    jar.take(await post('/auth/login', { username: 'alice', password }, { headers: jar.headers() }))
  await login()
  const old = jar.headers()
  await login()
  // Was sent with the old cookie, and its response comes when the browser holds the new one: it would clear that by its name.
  const late = await post('/auth/token', { grant_type: 'refresh_token' }, { headers: old })
  t.match(late.json(), { code: 'invalid_grant' })
  t.equal(setCookieOf(late), undefined)
  t.equal((await post('/auth/token', { grant_type: 'refresh_token' }, { headers: jar.headers() })).statusCode, 200)
})

t.test('a reused token ends the session and spares the subject’s other sessions', async (t) => {
  const { app, post, signIn, clock, events } = await startGateway(t)
  const other = await signIn()
  const login = await post('/auth/login', { username: 'alice', password })
  const old = browserHeaders(cookiePair(login))
  const next = await post('/auth/token', { grant_type: 'refresh_token' }, { headers: old })
  await app.inject({ url: '/auth/sessions', headers: bearer(next.json()) })
  clock.advance(11_000)
  const reused = await post('/auth/token', { grant_type: 'refresh_token' }, { headers: old })
  t.match(reused.json(), { status: 400, code: 'invalid_grant', error: 'invalid_grant', error_description: /sign in/ })
  t.equal(setCookieOf(reused), undefined)
  t.equal(events('reused').length, 1)
  const newest = await post(
    '/auth/token',
    { grant_type: 'refresh_token' },
    { headers: browserHeaders(cookiePair(next)) },
  )
  t.match(newest.json(), { code: 'invalid_grant' })
  t.notOk(newest.body.includes('revoked') || newest.body.includes('reuse'), 'the client hears one sentence')
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(next.json()) })).statusCode, 401)
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(other) })).statusCode, 200)
})

t.test('forged and malformed tokens are invalid_grant without any store call, and keep the cookie', async (t) => {
  const { app, store, post, postForm, events, signIn } = await startGateway(t)
  const good = await signIn()
  let calls = 0
  for (const verb of ['create', 'rotate', 'read', 'list', 'end', 'endAll', 'markDelivered'] as const) {
    store.sessions[verb] = async () => {
      calls += 1
      throw new Error('called')
    }
  }
  const token = good.refresh_token
  const forged = [
    `${token.slice(0, -1)}${token.endsWith('A') ? 'Q' : 'A'}`,
    `${token}A`,
    token.slice(0, -1),
    `${token}=`,
    token.toUpperCase(),
    good.access_token,
    'x',
    'A'.repeat(94),
    '__proto__',
    'null',
    'é'.repeat(94),
  ]
  for (const refresh_token of forged) {
    const response = await post('/auth/token', { grant_type: 'refresh_token', refresh_token, scope: 'orders:read' })
    t.match(response.json(), { status: 400, code: 'invalid_grant', error: 'invalid_grant' }, refresh_token.slice(0, 20))
  }
  const encoded = await postForm('/auth/token', refreshForm('%00%01%ff'.replace('%ff', '%c3%a9')))
  t.match(encoded.json(), { code: 'invalid_grant' })
  const cookie = await post(
    '/auth/token',
    { grant_type: 'refresh_token' },
    { headers: browserHeaders(`__Host-cardea_refresh=${forged[0]}`) },
  )
  t.match(cookie.json(), { code: 'invalid_grant' })
  t.equal(setCookieOf(cookie), undefined, 'another node may know a newer secret')
  t.equal(calls, 0)
  t.equal(events('forged').length, forged.length + 2)
  t.equal((await app.inject({ url: '/auth/token' })).statusCode, 405)
})

t.test('expired sessions are invalid_grant: idle and absolute', async (t) => {
  const { post, clock, events, signIn } = await startGateway(t, {
    config: { idleTtlSeconds: 100, absoluteTtlSeconds: 250 },
  })
  const idle = await signIn()
  clock.advance(100_000)
  const body = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token })
  t.match((await post('/auth/token', body(idle.refresh_token))).json(), { code: 'invalid_grant' })
  t.equal(events('expired_idle').length, 1)
  let { refresh_token } = await signIn()
  for (let step = 0; step < 4; step++) {
    clock.advance(60_000)
    const response = await post('/auth/token', body(refresh_token))
    t.equal(response.statusCode, 200)
    t.equal(response.json().refresh_expires_in, Math.min(100, 250 - 60 * (step + 1)))
    refresh_token = response.json().refresh_token
  }
  clock.advance(10_000)
  t.match((await post('/auth/token', body(refresh_token))).json(), { code: 'invalid_grant' })
  t.equal(events('expired_absolute').length, 1)
})

t.test('a store that is away is 503 with Retry-After and keeps the cookie', async (t) => {
  const { store, post } = await startGateway(t)
  const login = await post('/auth/login', { username: 'alice', password })
  store.sessions.rotate = async () => {
    throw new StoreUnavailable('away')
  }
  const response = await post(
    '/auth/token',
    { grant_type: 'refresh_token' },
    { headers: browserHeaders(cookiePair(login)) },
  )
  t.match(response.json(), { status: 503, code: 'store_unavailable' })
  t.ok(Number(response.headers['retry-after']) >= 1)
  t.equal(setCookieOf(response), undefined)
})

t.test('a narrower scope and a resource concern the access token only; a wider one costs nothing', async (t) => {
  const { post, signIn, events } = await startGateway(t)
  const first = await signIn()
  const body = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
  for (const scope of ['admin', 'orders:read admin', 'orders:read  orders:write', ' orders:read']) {
    const response = await post('/auth/token', { ...body, scope })
    t.match(response.json(), { status: 400, code: 'invalid_scope', error: 'invalid_scope' }, scope)
  }
  const foreign = await post('/auth/token', { ...body, resource: 'https://elsewhere.test' })
  t.match(foreign.json(), { status: 400, code: 'invalid_target', error: 'invalid_target' })
  t.equal(events('rotated').length, 0, 'the refresh token is as it was')
  const narrow = await post('/auth/token', { ...body, scope: 'orders:write', resource: 'https://orders.test' })
  t.equal(narrow.json().scope, 'orders:write')
  const claims = JSON.parse(Buffer.from(narrow.json().access_token.split('.')[1], 'base64url').toString())
  t.match(claims, { scope: 'orders:write', aud: 'https://orders.test', sid: first.session_id, gen: 2 })
  const full = await post('/auth/token', { grant_type: 'refresh_token', refresh_token: narrow.json().refresh_token })
  t.equal(full.json().scope, 'orders:read orders:write')
})

t.test('a request that is not a refresh gets the error of RFC 6749 section 5.2', async (t) => {
  const { app, post, postForm, signIn, events } = await startGateway(t)
  const { refresh_token: token } = await signIn()
  const form = 'application/x-www-form-urlencoded'
  const json = 'application/json'
  const bodies: [type: string, payload: string, error: string][] = [
    [form, '', 'invalid_request'],
    [form, 'grant_type=refresh_token', 'invalid_request'],
    [form, 'grant_type=refresh_token&refresh_token=', 'invalid_request'],
    [form, `refresh_token=${token}`, 'invalid_request'],
    [form, `grant_type=&refresh_token=${token}`, 'invalid_request'],
    [form, `grant_type=password&refresh_token=${token}`, 'unsupported_grant_type'],
    [form, `grant_type=Refresh_Token&refresh_token=${token}`, 'unsupported_grant_type'],
    [form, 'grant_type=client_credentials', 'unsupported_grant_type'],
    [form, refreshForm(token, '&grant_type=refresh_token'), 'invalid_request'],
    [form, refreshForm(token, `&refresh_token=${token}`), 'invalid_request'],
    [form, refreshForm(token, '&%72efresh_token=x'), 'invalid_request'],
    [form, refreshForm(token, '&scope=&scope='), 'invalid_request'],
    [form, refreshForm(token, '&unknown=1&unknown=2'), 'invalid_request'],
    [form, refreshForm(token, '&=1'), 'invalid_request'],
    [form, refreshForm(token, '&&'), 'invalid_request'],
    [form, refreshForm(token, '&scope=%'), 'invalid_request'],
    [form, refreshForm(token, '&scope=%ff'), 'invalid_request'],
    [form, refreshForm(token, Array.from({ length: 40 }, (_, i) => `&p${i}=1`).join('')), 'invalid_request'],
    [form, refreshForm(token, `&p=${'x'.repeat(2049)}`), 'invalid_request'],
    [form, JSON.stringify({ grant_type: 'refresh_token', refresh_token: token }), 'invalid_request'],
    [json, refreshForm(token), 'invalid_request'],
    [json, '', 'invalid_request'],
    [json, `{"grant_type":"refresh_token","refresh_token":"${token}","refresh_token":"${token}"}`, 'invalid_request'],
    [json, `{"grant_type":"refresh_token","refresh_token":["${token}"]}`, 'invalid_request'],
    [json, `{"grant_type":["refresh_token"],"refresh_token":"${token}"}`, 'invalid_request'],
    [json, `{"grant_type":"refresh_token","refresh_token":"${token}","__proto__":{}}`, 'invalid_request'],
    [json, `{"grant_type":"refresh_token","refresh_token":"${token}","unknown":1}`, 'invalid_request'],
    [json, '{"grant_type":"password"}', 'unsupported_grant_type'],
  ]
  for (const [type, payload, error] of bodies) {
    const response = await app.inject({
      method: 'POST',
      url: '/auth/token',
      headers: { 'content-type': type },
      payload,
    })
    t.equal(response.statusCode, 400, payload)
    t.match(response.json(), { code: error, error, error_description: String, request_id: String }, payload)
    t.match(response.headers, { 'cache-control': 'no-store', 'content-type': /^application\/json/ })
  }
  t.equal(events('rotated').length, 0)
  for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded x']) {
    const headers = { 'content-type': type }
    const response = await app.inject({ method: 'POST', url: '/auth/token', headers, payload: refreshForm(token) })
    t.match(response.json(), { status: 415, code: 'unsupported_media_type', error: 'invalid_request' }, type)
  }
  t.equal((await postForm(`/auth/token?refresh_token=${token}`, 'grant_type=refresh_token')).statusCode, 400)
  t.equal((await postForm('/auth/token', refreshForm(token, `&p=${'x'.repeat(4096)}`))).statusCode, 413)
  const polluting = await postForm('/auth/token', refreshForm(token, '&__proto__=x&constructor=y&toString=z'))
  t.equal(polluting.statusCode, 200, 'an unknown parameter is ignored, whatever its name')
  t.equal((await post('/auth/token', undefined)).statusCode, 400, 'no body at all')
})

t.test('twenty refreshes at once with one token get the same bytes', async (t) => {
  const { postForm, signIn } = await startGateway(t)
  const { refresh_token } = await signIn()
  const responses = await Promise.all(
    Array.from({ length: 20 }, () => postForm('/auth/token', refreshForm(refresh_token))),
  )
  t.strictSame([...new Set(responses.map((response) => response.statusCode))], [200])
  t.equal(new Set(responses.map((response) => response.json().refresh_token)).size, 1)
})

t.test('a form is taken nowhere but on the OAuth routes', async (t) => {
  const { postForm } = await startGateway(t)
  for (const url of ['/auth/login', '/auth/password']) {
    const response = await postForm(url, `username=alice&password=${encodeURIComponent(password)}`)
    t.ok([401, 415].includes(response.statusCode), url)
    t.not(response.statusCode, 200)
  }
})
