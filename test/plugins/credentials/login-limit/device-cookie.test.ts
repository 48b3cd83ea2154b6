// The device cookie: whose it is, what it is worth, and what voids it.
import t from 'tap'
import { deviceCookieName } from '../../../../plugins/browser/cookies.ts'
import { bearer, cookiesSetBy, password, startGateway, type TestGateway } from '../../../support/gateway.ts'
import { attemptLogin, deviceOf, from, limit, statuses } from './scene.ts'

const day = 24 * 60 * 60_000

/** Uses up what strangers have of a subject, so that only a known device gets in; from afar, in networks of their own. */
async function besiege(gateway: TestGateway, username = 'alice') {
  await statuses(gateway, from('198.51.100', 5, username))
}

const entryOf = (device: { cookie: string }) => device.cookie.slice(deviceCookieName.length + 1)

t.test('a new password voids the cookies of before, and ending all sessions does not', async (t) => {
  const gateway = await startGateway(t, limit)
  const tokens = await gateway.signIn()
  const device = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  await besiege(gateway)
  await gateway.app.inject({ method: 'DELETE', url: '/auth/sessions', headers: bearer(tokens) })
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password, device)).statusCode, 200)
  await gateway.store.users.change('alice', { scope: 'orders:read' })
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password, device)).statusCode, 429)
})

t.test('a device has one id for as long as the record stays, and another after a change of it', async (t) => {
  const gateway = await startGateway(t, limit)
  const signIn = async (device?: { cookie: string }) =>
    deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password, device))
  const idOf = (device: { cookie: string }) => Buffer.from(entryOf(device), 'base64url').toString('hex', 2, 11)
  const first = await signIn()
  t.equal(idOf(await signIn(first)), idOf(first))
  await gateway.store.users.change('alice', { scope: 'orders:read' })
  t.not(idOf(await signIn(first)), idOf(first), 'a copy that was made before shares no budget with its owner')
})

t.test('two people who share a browser are both known, and each only as themselves', async (t) => {
  const gateway = await startGateway(t, limit)
  const first = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  const both = deviceOf(await attemptLogin(gateway, 'root', '192.0.2.1', password, first))
  await besiege(gateway)
  await besiege(gateway, 'root')
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password, both)).statusCode, 200)
  t.equal((await attemptLogin(gateway, 'root', '192.0.2.1', password, both)).statusCode, 200)
  t.equal((await attemptLogin(gateway, 'root', '192.0.2.1', password, first)).statusCode, 429)
})

t.test('a cookie that is forged, altered, cut or too long is a stranger’s, and never an error', async (t) => {
  const gateway = await startGateway(t, limit)
  const device = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  await besiege(gateway)
  const value = entryOf(device)
  const altered = [...value].map(
    (letter, at) => `${value.slice(0, at)}${letter === 'B' ? 'C' : 'B'}${value.slice(at + 1)}`,
  )
  const wrong = [
    ...altered,
    '',
    '.',
    '....',
    value.slice(1),
    `${value}=`,
    `"${value}"`,
    `${value}.`.repeat(99),
    '\u00e4',
  ]
  for (const [host, one] of wrong.entries()) {
    const headers = { ...device, cookie: `${deviceCookieName}=${one}` }
    const response = await attemptLogin(gateway, 'alice', `192.0.2.${host}`, password, headers)
    t.equal(response.statusCode, 429, one.slice(0, 60))
  }
  const many = [value, value, value, value].join('.')
  t.equal(
    (await attemptLogin(gateway, 'alice', '192.0.2.1', password, { ...device, cookie: `${deviceCookieName}=${many}` }))
      .statusCode,
    200,
  )
  const twice = { ...device, cookie: `${device.cookie}; ${device.cookie}` }
  t.match((await attemptLogin(gateway, 'alice', '192.0.2.1', password, twice)).json(), { code: 'invalid_request' })
})

t.test('a device is known for 180 days after its last sign-in', async (t) => {
  const gateway = await startGateway(t, limit)
  const device = deviceOf(await attemptLogin(gateway, 'alice', '192.0.2.1', password))
  gateway.clock.advance(179 * day)
  await besiege(gateway)
  const renewed = await attemptLogin(gateway, 'alice', '192.0.2.1', password, device)
  t.equal(renewed.statusCode, 200)
  gateway.clock.advance(2 * day)
  await besiege(gateway)
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password, device)).statusCode, 429)
  t.equal((await attemptLogin(gateway, 'alice', '192.0.2.1', password, deviceOf(renewed))).statusCode, 200)
})

t.test('only a good sign-in sets it; a sign-out leaves it; it opens nothing', async (t) => {
  const gateway = await startGateway(t, limit)
  const wrong = await attemptLogin(gateway, 'alice', '192.0.2.1')
  t.strictSame(cookiesSetBy(wrong), {})
  const good = await attemptLogin(gateway, 'alice', '192.0.2.1', password)
  const device = deviceOf(good)
  const refresh = await gateway.post('/auth/token', { grant_type: 'refresh_token' }, { headers: device })
  t.equal(refresh.statusCode, 400)
  const out = await gateway.post('/auth/logout', undefined, { headers: bearer(good.json()) })
  t.equal(out.statusCode, 204)
  t.notOk(Object.keys(cookiesSetBy(out)).includes(deviceCookieName))
})
