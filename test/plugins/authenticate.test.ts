// Tests of who is calling, and may they: credentials as RFC 6750 spells them, policies, revocation and staleness, one event a
// denial.
import t from 'tap'
import { bearerToken } from '../../plugins/authenticate.ts'
import { accessCookieName } from '../../plugins/browser/cookies.ts'
import { sendRaw } from '../support/raw-client.ts'
import { type KeyGateway, openGateway, startMs } from './access-tokens/gateway.ts'

const challenge = 'Bearer realm="cardea"'
const invalid = { status: 401, code: 'invalid_token', challenge: `${challenge}, error="invalid_token"` }

function tokenFor(gateway: KeyGateway, session: Awaited<ReturnType<KeyGateway['signIn']>>, audience?: string): string {
  return gateway.app.accessTokens.issue(session, { ...(audience && { audience }) }).token
}

t.test('a public route reads no credentials, not even wrong ones', async (t) => {
  const { call } = await openGateway(t)
  for (const headers of [{}, { authorization: 'Bearer nonsense' }, { authorization: '\u0000' }]) {
    t.match(await call('/public', headers), { status: 200, access: null, events: [] })
  }
})

t.test('without credentials the challenge names no error', async (t) => {
  const { call } = await openGateway(t)
  for (const authorization of [
    undefined,
    '',
    'Basic YTpi',
    'Bearerx',
    'Bearer\tabc',
    'Bearer=abc',
    'Token abc',
    'Bear',
  ]) {
    const response = await call('/any', authorization === undefined ? {} : { authorization })
    t.match(
      response,
      { status: 401, code: 'unauthenticated', challenge, events: ['token_missing'] },
      `${authorization}`,
    )
    t.equal(response.challenge, challenge)
  }
})

t.test('a Bearer field without a token in it is an invalid token', async (t) => {
  const gateway = await openGateway(t)
  const token = tokenFor(gateway, await gateway.signIn())
  const wrong = ['Bearer', 'bearer', 'Bearer x', 'Bearer  x', 'Bearer a.b.c', 'Bearer ...', `Bearer ${token} ${token}`]
  wrong.push(
    `Bearer ${token},`,
    `Bearer "${token}"`,
    `Bearer\u00a0${token}`.replace('\u00a0', ' \t'),
    `Bearer ${token}\t.`,
  )
  for (const authorization of wrong) {
    t.match(await gateway.call('/any', { authorization }), { ...invalid, events: ['token_malformed'] }, authorization)
  }
})

t.test('the scheme is known in any case, and one blank or more stands behind it', async (t) => {
  const gateway = await openGateway(t)
  const session = await gateway.signIn()
  const token = tokenFor(gateway, session)
  for (const prefix of ['Bearer ', 'bearer ', 'BEARER ', 'bEaReR  ']) {
    const response = await gateway.call('/any', { authorization: prefix + token })
    t.match(response, { status: 200, access: { sub: session.sub, sid: session.sid, gen: 1 }, events: [] }, prefix)
  }
})

t.test('a token in the query, in a cookie or in another field is not looked at', async (t) => {
  const gateway = await openGateway(t)
  const token = tokenFor(gateway, await gateway.signIn())
  const missing = { status: 401, code: 'unauthenticated', challenge, events: ['token_missing'] }
  t.match(await gateway.call(`/any?access_token=${token}`), missing)
  t.match(await gateway.call('/any', { cookie: `access_token=${token}; authorization=Bearer ${token}` }), missing)
  t.match(await gateway.call('/any', { 'proxy-authorization': `Bearer ${token}`, 'x-authorization': token }), missing)
  const both = await gateway.call(`/any?access_token=${token}`, { authorization: 'Bearer x' })
  t.match(both, { ...invalid, events: ['token_malformed'] })
})

t.test('two Authorization fields are refused, whichever of them is right', async (t) => {
  const gateway = await openGateway(t)
  const good = `Bearer ${tokenFor(gateway, await gateway.signIn())}`
  for (const pair of [
    [good, good],
    [good, 'Basic YTpi'],
    ['Basic YTpi', good],
    [good, ''],
    ['', good],
  ]) {
    const [first = '', second = ''] = pair
    const response = await raw(gateway, [`Authorization: ${first}`, `aUTHORIZATION: ${second}`])
    t.match(response, /^HTTP\/1\.1 401 /)
    t.match(response, /www-authenticate: Bearer realm="cardea", error="invalid_token"\r\n/i)
  }
  t.match(await raw(gateway, [`AUTHORIZATION: ${good}`]), /^HTTP\/1\.1 200 /)
  t.match(
    await raw(gateway, [`Authorization:\t ${good} \t`]),
    /^HTTP\/1\.1 200 /,
    'blanks around a field are not of it',
  )
})

// One request by hand, for what a client library would not send.
async function raw({ app }: KeyGateway, fields: string[], path = '/any'): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const head = [`GET ${path} HTTP/1.1`, 'Host: door', 'Connection: close', ...fields, '', '']
  return (await sendRaw(port, head.join('\r\n'))).text
}

t.test('bearerToken tells no credentials from wrong ones', async (t) => {
  t.equal(bearerToken([]), undefined)
  t.equal(bearerToken(['Host', 'authorization']), undefined, 'a value is not a name')
  t.equal(bearerToken(['AuthorizatioN', 'Basic x']), undefined)
  t.equal(bearerToken(['authorization', 'bearer']), '')
  t.equal(bearerToken(['authorization', 'Bearer  a b']), 'a b')
  t.equal(bearerToken(['Authorization', 'Bearer a', 'authorization', 'Bearer a']), '')
})

t.test('roles: any one of them is enough; without one it is 403, and the challenge says so', async (t) => {
  const gateway = await openGateway(t)
  const responseFor = async (roles: string[]) =>
    gateway.bearer(tokenFor(gateway, await gateway.signIn({ roles })), '/admin')
  t.match(await responseFor(['admin']), { status: 200 })
  t.match(await responseFor(['staff', 'root']), { status: 200 })
  for (const roles of [[], ['adminx'], ['Admin'], ['staff']]) {
    const refused = { status: 403, code: 'forbidden', challenge: `${challenge}, error="insufficient_scope"` }
    t.match(await responseFor(roles), { ...refused, events: ['policy_refused'] }, roles.join())
  }
})

t.test('scopes: all of them are needed, as whole words; the challenge names them', async (t) => {
  const gateway = await openGateway(t)
  const responseFor = async (scope: string) =>
    gateway.bearer(tokenFor(gateway, await gateway.signIn({ scope })), '/orders')
  t.match(await responseFor('orders:write other orders:read'), { status: 200 })
  for (const scope of ['', 'orders:read', 'orders:write', 'orders:reader orders:write', 'xorders:read orders:write']) {
    const response = await responseFor(scope)
    t.match(response, { status: 403, code: 'insufficient_scope', events: ['policy_refused'] }, scope)
    t.equal(response.challenge, `${challenge}, error="insufficient_scope", scope="orders:read orders:write"`)
  }
})

t.test('roles and scopes together must both hold', async (t) => {
  const gateway = await openGateway(t)
  const status = async (roles: string[], scope: string) =>
    (await gateway.bearer(tokenFor(gateway, await gateway.signIn({ roles, scope })), '/both')).status
  t.equal(await status(['admin'], 'orders:read'), 200)
  t.equal(await status(['admin'], ''), 403)
  t.equal(await status([], 'orders:read'), 403)
})

t.test('a token for one audience is refused at a route of another', async (t) => {
  const gateway = await openGateway(t)
  const session = await gateway.signIn()
  const ofGateway = tokenFor(gateway, session)
  const ofOrders = tokenFor(gateway, session, 'orders')
  t.match(await gateway.bearer(ofOrders, '/for-orders'), { status: 200, access: { aud: 'orders' } })
  t.match(await gateway.bearer(ofGateway, '/any'), { status: 200 })
  t.match(await gateway.bearer(ofGateway, '/for-orders'), { ...invalid, events: ['token_foreign'] })
  t.match(await gateway.bearer(ofOrders, '/any'), { ...invalid, events: ['token_foreign'] })
})

t.test('a token that was good a moment ago is refused the moment its session ends; the others live on', async (t) => {
  const gateway = await openGateway(t)
  const [ended, other] = [await gateway.signIn(), await gateway.signIn()]
  const token = tokenFor(gateway, ended)
  t.match(await gateway.bearer(token), { status: 200 })
  await gateway.app.sessions.end(ended.sid, 'logout')
  t.match(await gateway.bearer(token), { ...invalid, events: ['token_revoked'] })
  t.match(await gateway.bearer(tokenFor(gateway, ended)), { ...invalid, events: ['token_revoked'] }, 'not cached yet')
  t.match(await gateway.bearer(tokenFor(gateway, other)), { status: 200 })
})

t.test('while nobody can tell who is revoked, a good token gets 503 and a bad one still 401', async (t) => {
  const gateway = await openGateway(t, { maxStalenessMs: -1 })
  const token = tokenFor(gateway, await gateway.signIn())
  for (const time of ['first', 'cached']) {
    const response = await gateway.bearer(token)
    t.match(response, { status: 503, code: 'revocation_unknown', events: ['revocation_unknown'] }, time)
    t.equal(response.headers['retry-after'], '1')
    t.equal(response.challenge, undefined)
  }
  t.match(await gateway.bearer('x'), invalid)
  t.match(await gateway.call('/public'), { status: 200 })
})

t.test('an expired token answers like a forged one; only the event tells them apart', async (t) => {
  const gateway = await openGateway(t)
  const token = tokenFor(gateway, await gateway.signIn())
  const forged = `${token.slice(0, -8)}AAAAAAAA`
  const ofForged = await gateway.bearer(forged)
  gateway.time.nowMs = startMs + 300_000
  const ofExpired = await gateway.bearer(token)
  t.same(ofForged.events, ['token_forged'])
  t.same(ofExpired.events, ['token_expired'])
  for (const response of [ofForged, ofExpired]) {
    for (const name of ['date', 'content-length']) delete response.headers[name]
  }
  t.same({ ...ofExpired, events: [] }, { ...ofForged, events: [] })
})

t.test(
  'a token in use tells the store that its generation was delivered, even where the policy refuses it',
  async (t) => {
    const gateway = await openGateway(t)
    for (const path of ['/any', '/admin']) {
      const session = await gateway.signIn()
      await gateway.bearer('x', path)
      await gateway.app.delivery.flush()
      t.equal((await gateway.store.sessions.read(session.sid))?.provenGeneration, 0)
      await gateway.bearer(tokenFor(gateway, session), path)
      await gateway.app.delivery.flush()
      t.equal((await gateway.store.sessions.read(session.sid))?.provenGeneration, 1, path)
    }
  },
)

t.test('a token of an audience that is not the route’s delivers nothing', async (t) => {
  const gateway = await openGateway(t)
  const session = await gateway.signIn()
  await gateway.bearer(tokenFor(gateway, session, 'orders'), '/any')
  await gateway.app.delivery.flush()
  t.equal((await gateway.store.sessions.read(session.sid))?.provenGeneration, 0)
})

t.test('where the caller says so, a token in the cookie counts when no Bearer came', async (t) => {
  const gateway = await openGateway(t)
  const session = await gateway.signIn()
  const cookie = `${accessCookieName}=${tokenFor(gateway, session)}`
  const own = { 'sec-fetch-site': 'same-origin', cookie }
  t.match(await gateway.call('/by-cookie', own), { status: 200, access: { sub: session.sub }, events: [] })
  t.match(await gateway.call('/any', own), { status: 401, code: 'unauthenticated', events: ['token_missing'] })
  t.match(await gateway.call('/by-cookie'), { status: 401, code: 'unauthenticated', challenge })
  // Basic is for the service, and says nothing to us.
  for (const authorization of ['Basic YTpi', '', 'Bearerx']) {
    t.match(await gateway.call('/by-cookie', { ...own, authorization }), { status: 200 }, authorization)
  }
})

t.test('a Bearer wins over the cookie: a wrong one stays wrong, and a right one needs no origin', async (t) => {
  const gateway = await openGateway(t)
  const [alice, bob] = [await gateway.signIn(), await gateway.signIn()]
  const own = { 'sec-fetch-site': 'same-origin', cookie: `${accessCookieName}=${tokenFor(gateway, alice)}` }
  for (const authorization of ['Bearer', 'Bearer x', 'bearer  ', `Bearer ${tokenFor(gateway, bob)}x`]) {
    t.match(await gateway.call('/by-cookie', { ...own, authorization }), { status: 401, code: 'invalid_token' })
  }
  const headers = { authorization: `Bearer ${tokenFor(gateway, bob)}` }
  t.match(await gateway.call('/by-cookie', { ...own, ...headers }), { status: 200, access: { sub: bob.sub } })
  const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  const tossed = { cookie: `${own.cookie}; ${own.cookie}`, ...foreign }
  t.match(await gateway.call('/by-cookie', { ...tossed, ...headers }), { status: 200, access: { sub: bob.sub } })
})

t.test('two Authorization fields are refused with a cookie as well', async (t) => {
  const gateway = await openGateway(t)
  const cookie = `Cookie: ${accessCookieName}=${tokenFor(gateway, await gateway.signIn())}`
  const fields = [cookie, 'Sec-Fetch-Site: same-origin']
  t.match(await raw(gateway, fields, '/by-cookie'), /^HTTP\/1\.1 200 /)
  const twice = [...fields, 'Authorization: Basic YTpi', 'Authorization: Basic YTpi']
  t.match(await raw(gateway, twice, '/by-cookie'), /^HTTP\/1\.1 401 /)
})

t.test('whether a request reads is said by its method, or by whoever asks about another one', async (t) => {
  const gateway = await openGateway(t)
  const cookie = `${accessCookieName}=${tokenFor(gateway, await gateway.signIn())}`
  const typed = { 'sec-fetch-site': 'none', cookie }
  t.match(await gateway.call('/by-cookie', typed), { status: 200 })
  t.match(await gateway.call('/writes-by-cookie', typed), { status: 403, events: ['origin_refused'] })
})
