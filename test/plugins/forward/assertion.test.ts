// The signed assertion: services verify who is calling with our JWKS, and it is an access token nowhere.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { bearer, ownOrigin, startGateway, type TestGateway } from '../../support/gateway.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type FakeUpstream, startFakeUpstream } from '../../support/upstream.ts'

const audience = 'https://orders.internal'

async function scene(t: Test, changes: Partial<RouteConfig> = {}, clockToleranceSeconds = 0) {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const route = { prefix: '/orders', upstream: service.url, assertion: { audience }, ...changes }
  const other = { ...route, prefix: '/other', assertion: { audience: 'https://other.internal' } }
  const open = { ...route, prefix: '/open', policy: 'public' } as const
  const gateway = await startGateway(t, { config: { routes: [route, other, open], clockToleranceSeconds } })
  await gateway.app.listen({ host: '127.0.0.1', port: 0 })
  return { gateway, service }
}

/** Sends a request and gives the assertion the service received. */
async function assertionOf(
  gateway: TestGateway,
  service: FakeUpstream,
  path: string,
  headers: Record<string, string>,
): Promise<string> {
  const response = await gateway.app.inject({ url: path, headers })
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
  return String(service.received.at(-1)?.headers['x-auth-assertion'])
}

async function verifiedBy(gateway: TestGateway, token: string, forWhom = audience) {
  const jwks = createLocalJWKSet((await gateway.app.inject('/.well-known/jwks.json')).json())
  const expected = { issuer: ownOrigin, audience: forWhom, typ: 'assertion+jwt', algorithms: ['ES256'] }
  return jwtVerify(token, jwks, { ...expected, currentDate: new Date(gateway.clock.now()) })
}

t.test('a service verifies the assertion with our JWKS: who, for whom, until when', async (t) => {
  const { gateway, service } = await scene(t)
  const tokens = await gateway.signIn()
  const token = await assertionOf(gateway, service, '/orders', bearer(tokens))
  const { payload, protectedHeader } = await verifiedBy(gateway, token)
  t.strictSame(Object.keys(protectedHeader).sort(), ['alg', 'kid', 'typ'])
  t.match(payload, { sub: 'alice', aud: audience, sid: tokens.session_id, roles: ['user'], scope: /orders:read/ })
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60)
  t.notOk('gen' in payload, 'a service learns nothing of refresh tokens')
  t.match(service.received.at(-1)?.headers, { 'x-auth-subject': 'alice' })
  await t.rejects(verifiedBy(gateway, token, 'https://other.internal'))
})

t.test('it passes as an access token neither here nor anywhere that looks at typ', async (t) => {
  // The worst case: the service's audience is one of ours.
  const { gateway, service } = await scene(t, { assertion: { audience: ownOrigin } })
  const token = await assertionOf(gateway, service, '/orders', bearer(await gateway.signIn()))
  t.strictSame(gateway.app.accessTokens.verify(token), { ok: false, reason: 'token_malformed' })
  const response = await gateway.app.inject({ url: '/orders', headers: { authorization: `Bearer ${token}` } })
  t.equal(response.statusCode, 401)
  const header = JSON.stringify({ ...decodeProtectedHeader(token), typ: 'at+jwt' })
  const renamed = [Buffer.from(header).toString('base64url'), ...token.split('.').slice(1)].join('.')
  t.strictSame(gateway.app.accessTokens.verify(renamed), { ok: false, reason: 'token_forged' })
  const access = (await gateway.signIn()).access_token
  await t.rejects(verifiedBy(gateway, access, ownOrigin), 'nor an access token as an assertion')
})

t.test('it is minted once for a token and a service, and again when half its life is over', async (t) => {
  const { gateway, service } = await scene(t)
  const alice = bearer(await gateway.signIn())
  const first = await assertionOf(gateway, service, '/orders', alice)
  t.equal(await assertionOf(gateway, service, '/orders', alice), first)
  const other = await assertionOf(gateway, service, '/other', alice)
  t.match(decodeJwt(other), { aud: 'https://other.internal' })
  t.equal(await assertionOf(gateway, service, '/orders', alice), first)
  t.not(await assertionOf(gateway, service, '/orders', bearer(await gateway.signIn())), first)
  gateway.clock.advance(29_000)
  t.equal(await assertionOf(gateway, service, '/orders', alice), first)
  gateway.clock.advance(1000)
  const second = await assertionOf(gateway, service, '/orders', alice)
  t.not(second, first)
  await verifiedBy(gateway, second)
})

t.test('it never outlives the access token', async (t) => {
  const { gateway, service } = await scene(t, { assertion: { audience, ttl: '1h' } })
  const tokens = await gateway.signIn()
  const assertion = await assertionOf(gateway, service, '/orders', bearer(tokens))
  t.equal(decodeJwt(assertion).exp, decodeJwt(tokens.access_token).exp)
  gateway.clock.advance((tokens.expires_in - 1) * 1000)
  t.equal(await assertionOf(gateway, service, '/orders', bearer(tokens)), assertion, 'there is nothing to renew it for')
})

t.test('in the leeway behind the end of an access token nothing is signed again', async (t) => {
  const { gateway, service } = await scene(t, {}, 30)
  const tokens = await gateway.signIn()
  gateway.clock.advance((tokens.expires_in - 1) * 1000)
  const assertion = await assertionOf(gateway, service, '/orders', bearer(tokens))
  gateway.clock.advance(2000)
  t.equal(await assertionOf(gateway, service, '/orders', bearer(tokens)), assertion)
})

t.test('it is sent neither after a revocation, nor for nobody, nor from a client', async (t) => {
  const { gateway, service } = await scene(t, { identityHeaders: false })
  const tokens = await gateway.signIn()
  const forged = { 'x-auth-assertion': 'a.b.c', connection: 'x-auth-assertion' }
  t.equal(await assertionOf(gateway, service, '/open', forged), 'undefined')
  const sent = await assertionOf(gateway, service, '/orders', { ...bearer(tokens), ...forged })
  t.match(decodeJwt(sent), { sub: 'alice' })
  t.notOk(service.received.at(-1)?.headers['x-auth-subject'], 'in the place of the identity fields')
  const before = service.received.length
  await gateway.app.sessions.end(tokens.session_id, 'revoked_by_admin')
  t.equal((await gateway.app.inject({ url: '/orders', headers: bearer(tokens) })).statusCode, 401)
  t.equal(service.received.length, before)
})

t.test('after the keys were replaced, the next one is signed with the new key', async (t) => {
  const { gateway, service } = await scene(t)
  await assertionOf(gateway, service, '/orders', bearer(await gateway.signIn()))
  await gateway.app.accessTokens.rotate({ immediately: true })
  const token = await assertionOf(gateway, service, '/orders', bearer(await gateway.signIn()))
  await verifiedBy(gateway, token)
})

t.test('another proxy gets it from /auth/verify', async (t) => {
  const { gateway } = await scene(t)
  const named = { 'x-original-uri': '/orders/1', 'x-original-method': 'GET' }
  const tokens = await gateway.signIn()
  const response = await gateway.app.inject({ url: '/auth/verify', headers: { ...named, ...bearer(tokens) } })
  await verifiedBy(gateway, String(response.headers['x-auth-assertion']))
  const open = { ...named, 'x-original-uri': '/open' }
  const nobody = await gateway.app.inject({ url: '/auth/verify', headers: open })
  t.equal(nobody.headers['x-auth-assertion'], '')
})

t.test('a config whose tokens nobody else can verify promises no assertions', async (t) => {
  const directory = temporaryFolder(t)
  const route = { prefix: '/x', upstream: 'http://127.0.0.1:4000', assertion: { audience } }
  writeFileSync(join(directory, 'cardea.config.yaml'), JSON.stringify({ routes: [route] }))
  t.throws(() => loadConfig({ env: { CARDEA_SIGNING_ALG: 'HS256' }, directory }), /services cannot verify HS256/)
  t.match(loadConfig({ env: {}, directory }).routes, [route])
})
