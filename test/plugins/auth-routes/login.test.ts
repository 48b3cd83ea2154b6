// POST /auth/login: what is granted, every refusal, and that a refusal tells nothing.
import t from 'tap'
import { deviceCookieName, refreshCookieName } from '../../../plugins/browser/cookies.ts'
import { hashPassword, needsRehash, owaspCost } from '../../../plugins/credentials/password.ts'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { readRefreshToken } from '../../../plugins/session-store/refresh-token.ts'
import {
  bearer,
  browserHeaders,
  cheapCost,
  cookiePair,
  cookiesSetBy,
  password,
  setCookieOf,
  startGateway,
} from '../../support/gateway.ts'

t.test('a login with delivery cookie sets the cookie and keeps the refresh token out of the response', async (t) => {
  const { post, events } = await startGateway(t)
  const response = await post('/auth/login', { username: 'alice', password })
  t.equal(response.statusCode, 200)
  t.equal(response.headers['cache-control'], 'no-store')
  const body = response.json()
  t.strictSame(Object.keys(body).sort(), [
    'access_token',
    'expires_in',
    'refresh_expires_in',
    'scope',
    'session_id',
    'token_type',
  ])
  t.match(body, { token_type: 'Bearer', scope: 'orders:read orders:write', refresh_expires_in: 7 * 86_400 })
  t.ok(body.expires_in > 280 && body.expires_in <= 300)
  const { [refreshCookieName]: refresh, [deviceCookieName]: device, ...others } = cookiesSetBy(response)
  t.match(refresh?.value, /^[A-Za-z0-9_-]{94}$/)
  t.strictSame(refresh?.attributes, ['HttpOnly', 'Max-Age=604800', 'Path=/', 'SameSite=Strict', 'Secure'])
  t.match(device?.value, /^[A-Za-z0-9_-]{47}$/)
  t.strictSame(device?.attributes, ['HttpOnly', 'Max-Age=15552000', 'Path=/', 'SameSite=Strict', 'Secure'])
  t.strictSame(others, {})
  t.ok((setCookieOf(response) ?? '').length < 4096)
  t.notOk(response.body.includes(refresh?.value ?? ''))
  t.match(events('login_ok'), [{ sub: 'alice', sid: body.session_id, granted: true }])
})

t.test('a login with delivery body gives the refresh token, and no cookie but that of the device', async (t) => {
  const { app, post, signIn } = await startGateway(t)
  const tokens = await signIn()
  const response = await post('/auth/login', { username: 'alice', password, delivery: 'body' })
  t.strictSame(Object.keys(cookiesSetBy(response)), [deviceCookieName])
  t.not(response.json().session_id, tokens.session_id, 'each login is a session of its own')
  const claims = readRefreshToken(
    tokens.refresh_token,
    deriveSecrets(['a secret for tests that is long enough to be one']),
  )
  t.equal(claims?.sid, tokens.session_id)
  const listed = await app.inject({ url: '/auth/sessions', headers: bearer(tokens) })
  t.equal(listed.json().sessions.length, 2)
})

t.test('the cookie lives no longer than the session can', async (t) => {
  const { post } = await startGateway(t, { config: { idleTtlSeconds: 1000, absoluteTtlSeconds: 600 } })
  const response = await post('/auth/login', { username: 'alice', password })
  t.equal(response.json().refresh_expires_in, 600)
  t.match(setCookieOf(response), /; Max-Age=600;/)
})

t.test('every spelling of a user name signs in to the same subject', async (t) => {
  const { post } = await startGateway(t)
  for (const username of ['alice', 'ALICE', 'Alice', 'ａｌｉｃｅ']) {
    const response = await post('/auth/login', { username, password })
    t.equal(response.statusCode, 200, username)
  }
})

t.test(
  'a name as the keyboard of a phone writes it, and an address of 254 characters, sign in and are found',
  async (t) => {
    const { app, store, post, signIn } = await startGateway(t)
    const passwordHash = (await store.users.find('alice'))?.passwordHash ?? ''
    const long = `o'brien@${'a'.repeat(242)}.com`
    t.equal(long.length, 254)
    for (const sub of ["o'brien@example.com", long]) await store.users.add({ sub, passwordHash, roles: [], scope: '' })
    const typed = { 'O\u2019Brien@example.com ': "o'brien@example.com", [` ${long}  `]: long, 'alice ': 'alice' }
    const root = bearer(await signIn('root'))
    for (const [username, sub] of Object.entries(typed)) {
      const response = await post('/auth/login', { username, password, delivery: 'body' })
      t.equal(response.statusCode, 200, username)
      const refresh = { grant_type: 'refresh_token', refresh_token: response.json().refresh_token }
      const { access_token } = (await post('/auth/token', refresh)).json()
      t.equal((await app.inject({ url: '/auth/sessions', headers: bearer({ access_token }) })).statusCode, 200)
      const list = await app.inject({ url: `/admin/sessions?sub=${encodeURIComponent(sub)}`, headers: root })
      t.match(list.json(), { sessions: [{ sub }] })
    }
  },
)

t.test('a wrong password, an unknown, a disabled and an impossible user get the same response', async (t) => {
  const { store, post, events } = await startGateway(t)
  await store.users.add({ sub: 'mallory', passwordHash: await hashPassword(password, cheapCost), roles: [], scope: '' })
  await store.users.change('mallory', { disabled: true })
  const attempts = [
    { username: 'alice', password: `${password} ` },
    { username: 'alice', password: password.toUpperCase() },
    { username: 'nobody', password },
    { username: 'mallory', password },
    { username: 'ali ce', password },
    { username: ' ../../etc', password },
    { username: '__proto__', password },
    { username: 'constructor', password },
    { username: 'álice', password },
    { username: "alice' or 1=1 --", password },
    { username: 'a'.repeat(256), password },
  ]
  const responses = await Promise.all(attempts.map((body) => post('/auth/login', body)))
  const seen = new Set(
    responses.map((response) => {
      const { 'x-request-id': _id, date: _date, ...headers } = response.headers
      const { request_id: _requestId, ...body } = response.json()
      return JSON.stringify([response.statusCode, headers, body])
    }),
  )
  t.equal(seen.size, 1, 'status, headers and body are the same')
  t.match(responses[0]?.json(), { status: 401, code: 'invalid_credentials' })
  t.match(responses[0]?.headers, { 'www-authenticate': /^Bearer/, 'cache-control': 'no-store' })
  t.equal(events('login_failed').length, attempts.length)
  t.ok(
    events('login_failed').every((line) => line['sub'] === undefined || /^[a-z0-9._@+'-]+$/.test(String(line['sub']))),
    'a name that no user can have is not logged',
  )
})

t.test('an unknown user costs the same store calls and about the same time as a wrong password', async (t) => {
  const { store, post } = await startGateway(t, { cost: owaspCost })
  const calls: string[] = []
  const find = store.users.find.bind(store.users)
  store.users.find = (sub) => {
    calls.push(sub)
    return find(sub)
  }
  const times: Record<string, number[]> = { alice: [], nobody: [], 'no body': [] }
  // The fastest answer of each: what else the machine does only ever adds to a time, and to no name more than to another.
  const apart = () => {
    const [alice = 0, nobody = 0, impossible = 0] = Object.values(times).map((measured) => Math.min(...measured))
    return Math.max(Math.abs(alice - nobody), Math.abs(alice - impossible)) / Math.max(16, alice)
  }
  // A busy machine may need more rounds until each name has had a moment of quiet; a name that is cheaper never gets there.
  let rounds = 0
  while (rounds < 10 || (rounds < 200 && apart() >= 0.25)) {
    for (const [username, measured] of Object.entries(times)) {
      const before = performance.now()
      await post('/auth/login', { username, password: 'wrong' })
      measured.push(performance.now() - before)
    }
    rounds += 1
  }
  t.equal(calls.length, rounds * 3)
  t.ok(apart() < 0.25, `a quarter of the time at most, or 4 ms, between them: ${apart()} after ${rounds} rounds`)
})

const login = { username: 'alice', password }
const notLogins: [name: string, body: string][] = [
  ['nothing', ''],
  ['null', 'null'],
  ['an array', '[]'],
  ['a string', '"alice"'],
  ['not JSON', '{username:alice}'],
  ['cut off', '{"username":"alice"'],
  ['no password', JSON.stringify({ username: 'alice' })],
  ['no user name', JSON.stringify({ password })],
  ['an unknown field', JSON.stringify({ ...login, admin: true })],
  ['a number as password', JSON.stringify({ username: 'alice', password: 1 })],
  ['an array as user name', JSON.stringify({ username: ['alice'], password })],
  ['an object as password', JSON.stringify({ username: 'alice', password: { $ne: '' } })],
  ['null as password', JSON.stringify({ username: 'alice', password: null })],
  ['true as user name', JSON.stringify({ username: true, password })],
  ['an unknown delivery', JSON.stringify({ ...login, delivery: 'Cookie' })],
  ['a list as delivery', JSON.stringify({ ...login, delivery: ['body'] })],
  ['__proto__', `{"username":"alice","password":"${password}","__proto__":{"delivery":"body"}}`],
  ['escaped __proto__', `{"username":"alice","password":"${password}","\\u005f_proto__":1}`],
  ['constructor', `{"username":"alice","password":"${password}","constructor":{"prototype":{}}}`],
  ['a repeated name', `{"username":"alice","password":"x","password":"${password}"}`],
  ['a repeated name, escaped', `{"username":"alice","password":"x","passwor\\u0064":"${password}"}`],
  ['depth', `{"username":${'['.repeat(50)}${']'.repeat(50)},"password":"x"}`],
  ['an empty user name', JSON.stringify({ ...login, username: '' })],
  ['a long user name', JSON.stringify({ ...login, username: 'a'.repeat(321) })],
  ['an empty password', JSON.stringify({ ...login, password: '' })],
  ['257 characters', JSON.stringify({ ...login, password: 'p'.repeat(257) })],
  // 256 characters are at most 1024 bytes as they stand; normalised, one of these becomes three.
  ['more than 1024 bytes after NFC', JSON.stringify({ ...login, password: '\u{1d160}'.repeat(100) })],
  ['NUL', JSON.stringify({ ...login, password: 'a\0b' })],
  ['a lone surrogate', `{"username":"alice","password":"\\ud800"}`],
  ['a byte order mark', `\ufeff${JSON.stringify(login)}`],
]

t.test('what is not exactly a login is 400, before any look-up', async (t) => {
  const { app, store, post } = await startGateway(t)
  store.users.find = async () => {
    throw new Error('looked up')
  }
  for (const [name, payload] of notLogins) {
    const headers = { 'content-type': 'application/json' }
    const response = await app.inject({ method: 'POST', url: '/auth/login', headers, payload })
    t.match(
      { status: response.statusCode, body: response.json() },
      { status: 400, body: { code: 'invalid_request' } },
      name,
    )
    t.notOk(/ajv|fastify|node_modules|\bat .*:\d/i.test(response.body), 'no library, no stack')
  }
  const invalidUtf8 = Buffer.concat([
    Buffer.from('{"username":"alice","password":"'),
    Buffer.of(0xff),
    Buffer.from('"}'),
  ])
  const response = await app.inject({
    method: 'POST',
    url: '/auth/login',
    headers: { 'content-type': 'application/json' },
    payload: invalidUtf8,
  })
  t.equal(response.statusCode, 400)
  t.equal((await post('/auth/login?username=alice', login)).statusCode, 400, 'nothing is read from the query')
  const big = await post('/auth/login', { ...login, scope: 'x'.repeat(5000) })
  t.match(big.json(), { status: 413, code: 'body_too_large' })
})

t.test('only application/json is taken, in whatever case and with whatever parameters', async (t) => {
  const { app } = await startGateway(t)
  const tryType = (type: string | undefined, payload = JSON.stringify({ username: 'alice', password })) =>
    app.inject({
      method: 'POST',
      url: '/auth/login',
      headers: type === undefined ? {} : { 'content-type': type },
      payload,
    })
  for (const type of [
    'application/json',
    'APPLICATION/JSON',
    'Application/Json; charset=UTF-8',
    'application/json;charset="utf-8"',
    'application/json ; x=y',
  ]) {
    t.equal((await tryType(type)).statusCode, 200, type)
  }
  for (const type of [
    'text/plain',
    'text/plain; application/json',
    'TEXT/PLAIN;charset=utf-8',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/json garbage',
    'application/json\tx',
    'application/jsonx',
    'application/json, text/plain',
    'application/json; charset=utf-16',
    'application/vnd.api+json',
    'application',
    '/',
    ';',
    'undefined',
  ]) {
    t.match((await tryType(type)).json(), { status: 415, code: 'unsupported_media_type' }, type)
  }
  t.equal((await tryType(undefined)).statusCode, 415, 'no type')
})

t.test('a scope asked for narrows the session; more than the user has is refused', async (t) => {
  const { post } = await startGateway(t)
  const login = { username: 'alice', password, delivery: 'body' }
  const narrow = await post('/auth/login', { ...login, scope: 'orders:read' })
  t.equal(narrow.json().scope, 'orders:read')
  const wider = { grant_type: 'refresh_token', refresh_token: narrow.json().refresh_token, scope: 'orders:write' }
  t.match((await post('/auth/token', wider)).json(), { code: 'invalid_scope' })
  for (const scope of ['orders:read admin', '', ' ', 'orders:read ', 'orders:read  orders:write', 'a"b', 'ä']) {
    t.match((await post('/auth/login', { ...login, scope })).json(), { status: 400, code: 'invalid_scope' }, scope)
  }
  const wrong = await post('/auth/login', { ...login, password: 'wrong', scope: 'admin' })
  t.equal(wrong.statusCode, 401, 'the scope of a user is not told without the password')
})

t.test('a resource is the audience of the access token, if it is configured', async (t) => {
  const { post } = await startGateway(t)
  const login = { username: 'alice', password, delivery: 'body' }
  const response = await post('/auth/login', { ...login, resource: 'https://orders.test' })
  const payload = JSON.parse(Buffer.from(response.json().access_token.split('.')[1], 'base64url').toString())
  t.equal(payload.aud, 'https://orders.test')
  for (const resource of ['https://orders.test/', 'https://other.test', '', 'HTTPS://ORDERS.TEST']) {
    t.match(
      (await post('/auth/login', { ...login, resource })).json(),
      { status: 400, code: 'invalid_target' },
      resource,
    )
  }
})

t.test('a login ends the session whose cookie it brings, whosever it is', async (t) => {
  const { app, post, events } = await startGateway(t)
  const first = await post('/auth/login', { username: 'alice', password })
  const headers = browserHeaders(cookiePair(first))
  const other = await post('/auth/login', { username: 'root', password }, { headers })
  t.equal(other.statusCode, 200)
  t.equal((await app.sessions.read(first.json().session_id))?.endReason, 'logout', 'another subject’s')
  t.equal(events('logout').length, 1)
  t.equal((await app.sessions.read(other.json().session_id))?.endReason, undefined)
  const again = await post('/auth/login', { username: 'alice', password })
  const own = { headers: browserHeaders(cookiePair(again)) }
  const set = cookiesSetBy(await post('/auth/login', { username: 'alice', password }, own))
  t.equal(set[refreshCookieName]?.value, '', 'cleared')
  t.ok(set[`${refreshCookieName}2`]?.value, 'the new one has the other name')
  t.equal((await app.sessions.read(again.json().session_id))?.endReason, 'logout', 'the subject’s own')
  t.equal(events('logout').length, 2)
  const second = await post('/auth/login', { username: 'alice', password })
  const wrong = await post(
    '/auth/login',
    { username: 'alice', password: 'x' },
    { headers: browserHeaders(cookiePair(second)) },
  )
  t.equal(wrong.statusCode, 401)
  t.equal((await app.sessions.read(second.json().session_id))?.endReason, undefined, 'a failed login ends nothing')
  const forged = `${cookiePair(second).slice(0, -4)}AAAA`
  t.equal(
    (await post('/auth/login', { username: 'alice', password }, { headers: browserHeaders(forged) })).statusCode,
    200,
  )
  t.equal((await app.sessions.read(second.json().session_id))?.endReason, undefined, 'a forged cookie ends nothing')
  const changed = await post(
    '/auth/login',
    { username: 'alice', password, delivery: 'body' },
    { headers: browserHeaders(cookiePair(second)) },
  )
  t.match(
    setCookieOf(changed),
    /^__Host-cardea_refresh=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970 .*; Secure; SameSite=Strict$/,
  )
})

t.test('a hash of lower cost is replaced at login, once, and the password stays right', async (t) => {
  const cost = { memoryKib: 16, passes: 2, lanes: 1 }
  const { store, post } = await startGateway(t, { cost, passwordHash: await hashPassword(password, cheapCost) })
  t.equal((await post('/auth/login', { username: 'alice', password: 'wrong' })).statusCode, 401)
  t.ok(needsRehash((await store.users.find('alice'))?.passwordHash ?? '', cost), 'a wrong password replaces nothing')
  t.equal((await post('/auth/login', { username: 'alice', password })).statusCode, 200)
  const replaced = (await store.users.find('alice'))?.passwordHash ?? ''
  t.match(replaced, /^\$argon2id\$v=19\$m=16,t=2,p=1\$/)
  t.equal((await post('/auth/login', { username: 'alice', password })).statusCode, 200)
  t.equal((await store.users.find('alice'))?.passwordHash, replaced)
})

t.test('a user changed between the password check and the session is refused', async (t) => {
  const { app, store, post, events } = await startGateway(t)
  const check = app.credentials.check.bind(app.credentials)
  app.credentials.check = async (username, given) => {
    const user = await check(username, given)
    await store.users.change('alice', { disabled: true })
    return user
  }
  const response = await post('/auth/login', { username: 'alice', password })
  t.match(response.json(), { status: 401, code: 'invalid_credentials' })
  t.equal(setCookieOf(response), undefined)
  t.equal(events('login_ok').length, 0)
})

t.test('a store that is away is 503 with Retry-After, and no session', async (t) => {
  const { store, post } = await startGateway(t)
  const away = async () => {
    throw new StoreUnavailable('away')
  }
  const { create } = store.sessions
  store.sessions.create = away
  const response = await post('/auth/login', { username: 'alice', password })
  t.match(response.json(), { status: 503, code: 'store_unavailable' })
  t.ok(Number(response.headers['retry-after']) >= 1)
  t.equal(setCookieOf(response), undefined)
  store.sessions.create = create
  store.users.find = away
  t.equal((await post('/auth/login', { username: 'alice', password })).statusCode, 503)
})
