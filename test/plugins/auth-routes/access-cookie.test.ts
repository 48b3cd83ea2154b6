// The access token's cookie on the routes that give and end sessions: set while some route takes it, cleared with the session,
// and never there otherwise.
import { decodeJwt } from 'jose'
import t from 'tap'
import {
  accessCookieName,
  cookiePlaces,
  deviceCookieName,
  refreshCookieName,
} from '../../../plugins/browser/cookies.ts'
import { hashPassword } from '../../../plugins/credentials/password.ts'
import { startCookieGateway } from '../../support/cookie-gateway.ts'
import { browserHeaders, cheapCost, cookiesSetBy, password, startGateway } from '../../support/gateway.ts'

const attributes = ['HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure']
const both = [refreshCookieName, accessCookieName]
const [, spare] = cookiePlaces
const form = { grant_type: 'refresh_token' }

t.test('a login by cookie sets the access token of the body, for as long as it lives', async (t) => {
  const { gateway } = await startCookieGateway(t)
  const response = await gateway.post('/auth/login', { username: 'alice', password })
  const { access_token, expires_in } = response.json()
  const set = cookiesSetBy(response)
  t.strictSame(Object.keys(set), [...both, deviceCookieName])
  t.strictSame(set[accessCookieName], {
    value: access_token,
    attributes: [...attributes, `Max-Age=${expires_in}`].sort(),
  })
})

t.test('a refresh by cookie replaces it, with the scope and the audience that were asked for', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const { cookie, accessToken } = await enter()
  const more = { resource: 'https://orders.test', scope: 'orders:read' }
  const response = await gateway.post('/auth/token', { ...form, ...more }, { headers: browserHeaders(cookie) })
  const { access_token, expires_in } = response.json()
  t.match(decodeJwt(access_token), { aud: 'https://orders.test', scope: 'orders:read' })
  t.not(access_token, accessToken)
  const set = cookiesSetBy(response)
  t.strictSame(set[accessCookieName], {
    value: access_token,
    attributes: [...attributes, `Max-Age=${expires_in}`].sort(),
  })
})

t.test('tokens in the body come without cookies', async (t) => {
  const { gateway } = await startCookieGateway(t)
  const { refresh_token } = await gateway.signIn()
  const login = await gateway.post('/auth/login', { username: 'alice', password, delivery: 'body' })
  t.strictSame(Object.keys(cookiesSetBy(login)), [deviceCookieName], 'which is no token')
  t.strictSame(cookiesSetBy(await gateway.post('/auth/token', { ...form, refresh_token })), {})
})

t.test('where no route takes it, it is never set nor cleared, whatever a browser still has', async (t) => {
  const { post } = await startGateway(t, { config: { routes: [{ prefix: '/plain', upstream: 'http://127.0.0.1:9' }] } })
  const old = `${accessCookieName}=old`
  const login = await post('/auth/login', { username: 'alice', password }, { headers: browserHeaders(old) })
  const set = cookiesSetBy(login)
  t.strictSame(Object.keys(set), [refreshCookieName, deviceCookieName])
  const headers = browserHeaders(`${refreshCookieName}=${set[refreshCookieName]?.value}; ${old}`)
  t.strictSame(Object.keys(cookiesSetBy(await post('/auth/token', form, { headers }))), [refreshCookieName])
  t.strictSame(Object.keys(cookiesSetBy(await post('/auth/logout', undefined, { headers }))), [refreshCookieName])
  const change = { username: 'alice', password, delivery: 'body' }
  const changed = await post('/auth/login', change, { headers: browserHeaders(old) })
  t.strictSame(Object.keys(cookiesSetBy(changed)), [deviceCookieName])
})

t.test('logout and a change to tokens in the body clear both; a refused refresh clears none', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const cleared = async (url: string, body: object | undefined, cookie: string, status: number) => {
    const response = await gateway.post(url, body, { headers: browserHeaders(cookie) })
    t.equal(response.statusCode, status)
    const set = cookiesSetBy(response)
    const others = url === '/auth/login' ? [deviceCookieName] : []
    t.strictSame(Object.keys(set).sort(), [...both, ...others].sort(), `${url} ${status}`)
    for (const name of both) {
      t.equal(set[name]?.value, '')
      t.strictSame(set[name]?.attributes, [...attributes, 'Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'Max-Age=0'].sort())
    }
  }
  await cleared('/auth/logout', undefined, (await enter()).cookie, 204)
  const change = { username: 'root', password, delivery: 'body' }
  await cleared('/auth/login', change, (await enter()).cookie, 200)
  await cleared('/auth/login', change, (await enter()).access, 200)
  const over = await enter()
  await gateway.app.sessions.end(over.sid, 'revoked_by_admin')
  const refused = await gateway.post('/auth/token', form, { headers: browserHeaders(over.cookie) })
  t.equal(refused.statusCode, 400)
  t.strictSame(cookiesSetBy(refused), {}, 'they may be of a newer sign-in by now')
})

t.test('a refusal that may pass keeps both', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const { access, refresh, cookie } = await enter()
  const forged = `${refresh.slice(0, -4)}AAAA; ${access}`
  const refused = [
    await gateway.post('/auth/token', form, { headers: browserHeaders(forged) }),
    await gateway.post('/auth/token', { ...form, scope: 'more' }, { headers: browserHeaders(cookie) }),
    await gateway.post('/auth/login', { username: 'alice', password: 'wrong' }, { headers: browserHeaders(cookie) }),
  ]
  for (const response of refused) {
    t.not(response.statusCode, 200)
    t.strictSame(cookiesSetBy(response), {})
  }
})

t.test('a token too long for a cookie is in the body alone, clears an older cookie, and is said', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const roles = Array.from({ length: 40 }, (_, i) => `role-${i}-${'x'.repeat(80)}`)
  const passwordHash = await hashPassword(password, cheapCost)
  await gateway.store.users.add({ sub: 'many', passwordHash, roles, scope: '' })
  const other = await enter('alice')
  const headers = browserHeaders(other.cookie)
  const response = await gateway.post('/auth/login', { username: 'many', password }, { headers })
  const { access_token } = response.json()
  t.ok(access_token.length > 4096)
  t.match(cookiesSetBy(response), {
    [refreshCookieName]: { value: '' },
    [accessCookieName]: { value: '' },
    [spare.refresh]: { value: /./ },
    [spare.access]: { value: '' },
  })
  t.match(
    gateway.log.filter(({ level }) => level === 40),
    [{ bytes: spare.access.length + access_token.length, maxCookieBytes: 4096, msg: /too long/ }],
  )
  const bearerOnly = { authorization: `Bearer ${access_token}` }
  t.equal((await gateway.app.inject({ url: '/files/1', headers: bearerOnly })).statusCode, 200)
})

t.test('logout ends the session of the refresh cookie, not of the access token’s', async (t) => {
  const { gateway, enter } = await startCookieGateway(t)
  const [mine, other] = [await enter(), await enter()]
  const headers = browserHeaders(`${mine.refresh}; ${other.access}`)
  t.equal((await gateway.post('/auth/logout', undefined, { headers })).statusCode, 204)
  t.equal((await gateway.app.sessions.read(mine.sid))?.endReason, 'logout')
  t.equal((await gateway.app.sessions.read(other.sid))?.revokedAt, undefined)
})
