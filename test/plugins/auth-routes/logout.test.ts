// POST /auth/logout: 204 whatever comes, and what it ends.
import t from 'tap'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
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
