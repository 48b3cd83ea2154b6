// Every node knows: whatever ends a session or revokes a token at one gateway refuses the access token at another, on a real
// Redis. How soon is measured by bench/propagation.ts; here it is that it happens, and to nobody else.
import { decodeJwt, decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { Clock } from '../../support/clock.ts'
import { bearer, password, type TestGateway, type Tokens } from '../../support/gateway.ts'
import { newPrefix, sharedRedis } from '../../support/redis/server.ts'
import { newJti, refusedAt, startNodes, statusAt } from './nodes.ts'

const url = await sharedRedis(t)
const newClock = () => new Clock(Date.parse('2026-11-01T12:00:00.400Z'))

interface Scene {
  here: TestGateway
  there: TestGateway
  clock: Clock
  /** Of alice; what is revoked. */
  tokens: Tokens
  /** Headers of the administrator's access token. */
  admin: { authorization: string }
}

async function openScene(t: Test): Promise<Scene> {
  const clock = newClock()
  const { here, there } = await startNodes(t, url, newPrefix(), { clock })
  const tokens = await here.signIn()
  const scene = { here, there, clock, tokens, admin: bearer(await here.signIn('root')) }
  t.equal(await statusAt(there, tokens), 200, 'good at both until then')
  return scene
}

const refresh = (node: TestGateway, { refresh_token }: Tokens) =>
  node.post('/auth/token', { grant_type: 'refresh_token', refresh_token })

const revoke = ({ here, admin }: Scene, body: object) => here.post('/admin/revocations', body, { headers: admin })

const kidOf = ({ access_token }: Tokens) => decodeProtectedHeader(access_token).kid ?? ''

const ways: Record<string, (scene: Scene) => Promise<unknown>> = {
  logout: ({ here, tokens }) => here.post('/auth/logout', { refresh_token: tokens.refresh_token }),
  'logout everywhere': ({ here, tokens }) =>
    here.app.inject({ method: 'DELETE', url: '/auth/sessions', headers: bearer(tokens) }),
  'the end of one session from another': async ({ here, tokens }) => {
    const headers = bearer(await here.signIn())
    await here.app.inject({ method: 'DELETE', url: `/auth/sessions/${tokens.session_id}`, headers })
  },
  reuse: async ({ here, clock, tokens }) => {
    const next = (await refresh(here, tokens)).json<Tokens>()
    await statusAt(here, next)
    await here.app.delivery.flush()
    clock.advance(11_000)
    await refresh(here, tokens)
  },
  'a password change': async ({ here }) => {
    const headers = bearer(await here.signIn())
    const body = { current_password: password, new_password: 'another password' }
    await here.post('/auth/password', body, { headers })
  },
  'disabling the user': ({ here, admin }) =>
    here.app.inject({ method: 'PATCH', url: '/admin/users/alice', headers: admin, payload: { disabled: true } }),
  'an administrator, by session': ({ here, admin, tokens }) =>
    here.app.inject({ method: 'DELETE', url: `/admin/sessions/${tokens.session_id}`, headers: admin }),
  'an administrator, by subject': ({ here, admin }) =>
    here.app.inject({ method: 'DELETE', url: '/admin/subjects/alice/sessions', headers: admin }),
  'a revocation of the session': (scene) => revoke(scene, { kind: 'session', sid: scene.tokens.session_id }),
  'a revocation of the subject': (scene) => revoke(scene, { kind: 'subject', sub: 'alice' }),
  'a revocation of the token': (scene) =>
    revoke(scene, { kind: 'token', jti: decodeJwt(scene.tokens.access_token).jti ?? '' }),
  'a revocation of everyone': (scene) => revoke(scene, { kind: 'everyone' }),
  'a revocation of the signing key': (scene) => revoke(scene, { kind: 'signing_key', kid: kidOf(scene.tokens) }),
}

for (const [name, way] of Object.entries(ways)) {
  t.test(`${name} at one node refuses the access token at once there, and at the other`, async (t) => {
    const scene = await openScene(t)
    await way(scene)
    t.equal(await statusAt(scene.here, scene.tokens), 401, 'at once where it was asked for')
    await refusedAt(scene.there, scene.tokens)
    const late = (
      await scene.there.post('/auth/login', { username: 'root', password, delivery: 'body' })
    ).json<Tokens>()
    t.equal(await statusAt(scene.there, late), 200, 'who signs in afterwards, in the same second, is let in')
    await t.resolves(refusedAt(scene.there, scene.tokens), 'and the one before still is not')
  })
}

t.test('a revoked token is one token: its session goes on, and its next token is good', async (t) => {
  const scene = await openScene(t)
  await revoke(scene, { kind: 'token', jti: decodeJwt(scene.tokens.access_token).jti ?? '' })
  await refusedAt(scene.there, scene.tokens)
  const next = (await refresh(scene.there, scene.tokens)).json<Tokens>()
  for (const node of [scene.here, scene.there]) t.equal(await statusAt(node, next), 200)
})

t.test('a revoked subject signs in again in the same second, and nobody else is touched', async (t) => {
  const scene = await openScene(t)
  await revoke(scene, { kind: 'subject', sub: 'alice' })
  await refusedAt(scene.there, scene.tokens)
  const again = await scene.here.signIn()
  for (const node of [scene.here, scene.there]) t.equal(await statusAt(node, again), 200)
  t.equal((await scene.there.app.inject({ url: '/admin/users', headers: scene.admin })).statusCode, 200)
})

t.test('everyone: access tokens, refresh tokens and the administrator who asked; new sign-ins work', async (t) => {
  const scene = await openScene(t)
  const response = await revoke(scene, { kind: 'everyone' })
  t.strictSame(response.json(), { not_before: '2026-11-01T12:00:01.000Z' })
  t.match((await refresh(scene.there, scene.tokens)).json(), { error: 'invalid_grant' }, 'at once at the other too')
  t.match(scene.there.events('session_ended'), [{ sid: scene.tokens.session_id }])
  t.equal((await revoke(scene, { kind: 'everyone' })).statusCode, 401, 'the administrator signs in again')
  const again = await scene.there.signIn()
  await refusedAt(scene.there, scene.tokens)
  for (const node of [scene.here, scene.there]) t.equal(await statusAt(node, again), 200)
  const next = (await refresh(scene.here, again)).json<Tokens>()
  for (const node of [scene.here, scene.there]) t.equal(await statusAt(node, next), 200)
})

t.test('a revoked signing key is gone from both JWKS, another signs at once, and refresh tokens go on', async (t) => {
  const scene = await openScene(t)
  const kid = kidOf(scene.tokens)
  const published = async ({ app }: TestGateway) => {
    const { keys } = (await app.inject('/.well-known/jwks.json')).json<{ keys: { kid: string }[] }>()
    return keys.map((key) => key.kid)
  }
  t.equal((await revoke(scene, { kind: 'signing_key', kid })).statusCode, 200)
  t.notOk((await published(scene.here)).includes(kid))
  await refusedAt(scene.there, scene.tokens)
  t.notOk((await published(scene.there)).includes(kid))
  const next = (await refresh(scene.here, scene.tokens)).json<Tokens>()
  t.not(kidOf(next), kid)
  for (const node of [scene.here, scene.there]) {
    t.equal(await statusAt(node, next), 200, 'published before anybody is told, so nobody is turned away')
    t.ok((await published(node)).includes(kidOf(next)))
  }
  const admin = bearer(await scene.here.signIn('root'))
  const again = await revoke({ ...scene, admin }, { kind: 'signing_key', kid })
  t.match(again.json(), { status: 404, code: 'not_found' }, 'a key that is not there')
  t.match(scene.here.events('revocation_asked'), [{ detail: `signing_key ${kid}`, actor: 'root', granted: true }])
})

t.test('what cannot be revoked is refused, and only administrators are asked', async (t) => {
  const scene = await openScene(t)
  const bodies: [object, number][] = [
    [{}, 400],
    [{ kind: 'session' }, 400],
    [{ kind: 'session', sid: 'short' }, 400],
    [{ kind: 'everyone', sub: 'alice' }, 400],
    [{ kind: 'token', jti: 'short' }, 400],
    [{ kind: 'signing_key', kid: '../../' }, 400],
    [{ kind: 'nobody' }, 400],
    [{ kind: 'session', sid: 'A'.repeat(32) }, 200],
    [{ kind: 'token', jti: newJti() }, 200],
    [{ kind: 'subject', sub: 'nobody' }, 200],
  ]
  for (const [body, status] of bodies) t.equal((await revoke(scene, body)).statusCode, status, JSON.stringify(body))
  const login = { username: 'alice', password, delivery: 'body', resource: adminAudience }
  const asAlice = { ...scene, admin: bearer((await scene.here.post('/auth/login', login)).json<Tokens>()) }
  t.equal((await revoke(asAlice, { kind: 'everyone' })).statusCode, 403)
  t.equal(await statusAt(scene.there, scene.tokens), 200, 'nobody was touched')
  t.match(scene.here.events('revocation_asked'), [
    { sid: 'A'.repeat(32), detail: 'session' },
    { detail: /^token / },
    { sub: 'nobody', detail: 'subject' },
  ])
})

t.test('a node that starts later knows what was revoked before', async (t) => {
  const clock = newClock()
  const prefix = newPrefix()
  const { here } = await startNodes(t, url, prefix, { clock })
  const [loggedOut, tokens] = [await here.signIn(), await here.signIn()]
  const admin = bearer(await here.signIn('root'))
  await here.post('/auth/logout', { refresh_token: loggedOut.refresh_token })
  await here.post('/admin/revocations', { kind: 'token', jti: decodeJwt(tokens.access_token).jti }, { headers: admin })
  clock.advance(60_000)
  const { here: late } = await startNodes(t, url, prefix, { clock })
  t.strictSame([await statusAt(late, loggedOut), await statusAt(late, tokens)], [401, 401])
  t.equal((await late.app.inject({ url: '/admin/users', headers: admin })).statusCode, 200)
  await late.app.inject({ method: 'POST', url: '/admin/revocations', headers: admin, payload: { kind: 'everyone' } })
  const { here: latest } = await startNodes(t, url, prefix, { clock })
  t.equal((await latest.app.inject({ url: '/admin/users', headers: admin })).statusCode, 401)
})

t.test('/readyz says how well this node knows the log', async (t) => {
  const { here, there, tokens } = await openScene(t)
  await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
  await refusedAt(there, tokens)
  const { revocation_log, status } = (await there.app.inject('/readyz')).json()
  t.equal(status, 'ok')
  t.match(revocation_log, { age_ms: Number, entries: 1, last_id: /^\d+-\d+$/ })
  t.ok(revocation_log.age_ms < 5_000)
})
