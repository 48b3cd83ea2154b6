// Attacks by those who were shut out: access tokens that outlive their session, a password change that outlives an
// administrator's. Whatever ended must stay ended, through expiry, restarts and changes of the config.
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import { buildApp } from '../../../src/app.ts'
import { type Config, loadConfig } from '../../../src/config/index.ts'
import { Clock } from '../../support/clock.ts'
import { bearer, password, startGateway } from '../../support/gateway.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.test('no access token outlives its session’s idle time, after which nothing could end it', async (t) => {
  const { app, clock, signIn, post } = await startGateway(t, { config: { idleTtlSeconds: 60 } })
  const first = await signIn()
  t.ok(first.expires_in <= 60, 'at login')
  const sessions = (token: string) => app.inject({ url: '/auth/sessions', headers: bearer({ access_token: token }) })
  const refresh = async () =>
    (await post('/auth/token', { grant_type: 'refresh_token', refresh_token: first.refresh_token })).json()
  clock.advance(20_000)
  t.ok((await refresh()).expires_in <= 60, 'at a rotation, which begins the idle time anew')
  clock.advance(9_000)
  t.ok((await refresh()).expires_in <= 51, 'a retry within the grace begins nothing anew')
  clock.advance(41_000)
  const retried = await refresh()
  t.ok(retried.expires_in <= 60, 'a late one is given a generation of its own')
  t.ok(Number(decodeJwt(retried.access_token).exp) * 1000 <= clock.nowMs + 60_000)
  clock.advance(50_000)
  t.equal((await sessions(retried.access_token)).statusCode, 200)
  clock.advance(10_000)
  t.equal((await sessions(retried.access_token)).statusCode, 401)
})

t.test(
  'an access token whose session was ended stays refused when a restart shortens the life of tokens',
  async (t) => {
    const clock = new Clock()
    const file = join(temporaryFolder(t), 'cardea.db')
    const before = await gatewayOn(t, file, clock, { accessTtlSeconds: 3600 })
    const user = { sub: 'mo', passwordHash: 'not asked', roles: [], scope: '' }
    await before.store.users.add(user)
    const created = await before.store.sessions.create({
      ...{ sid: 'abcdefgh'.repeat(4), sub: 'mo', roles: [], scope: '', device: '', ip: '192.0.2.1', amr: ['pwd'] },
      ...{ idleTtlSeconds: 86_400, absoluteTtlSeconds: 86_400, maxSessions: 9, userRevision: 1 },
    })
    if (created.outcome !== 'created') throw new Error('no session')
    const { token } = before.app.accessTokens.issue(created.session)
    await before.app.sessions.end(created.session.sid, 'logout')
    t.equal((await call(before.app, token)).statusCode, 401)
    await before.app.close()

    clock.advance(120_000)
    const after = await gatewayOn(t, file, clock, { accessTtlSeconds: 60 })
    t.equal((await call(after.app, token)).statusCode, 401)
  },
)

type App = Awaited<ReturnType<typeof buildApp>>

async function gatewayOn(t: Test, file: string, clock: Clock, changes: Partial<Config>) {
  const config = { ...loadConfig({ env: {}, directory: '/nowhere' }), docs: false, logLevel: 'silent', ...changes }
  const store = openEmbeddedStore({ file, clock: clock.now })
  const secrets = ['a secret for tests that is long enough to be one']
  const app = await buildApp({ ...config, secrets }, { store, clock: clock.now })
  t.teardown(() => app.close())
  return { app, store }
}

function call(app: App, access_token: string) {
  return app.inject({ url: '/auth/sessions', headers: bearer({ access_token }) })
}

t.test(
  'a password change that an administrator’s change overtakes is refused: the administrator’s stands',
  async (t) => {
    for (const change of [{ password: 'set by the administrator' }, { disabled: true }]) {
      const { app, store, signIn, post } = await startGateway(t)
      const thief = await signIn()
      const root = await signIn('root')
      const hash = app.credentials.hash.bind(app.credentials)
      app.credentials.hash = async (text) => {
        const hashed = await hash(text)
        // The thief's new password is hashed; before it is written the administrator's change comes in between.
        app.credentials.hash = hash
        const response = await app.inject({
          method: 'PATCH',
          url: '/admin/users/alice',
          headers: bearer(root),
          payload: change,
        })
        t.equal(response.statusCode, 200)
        return hashed
      }
      const changing = { current_password: password, new_password: 'set by the thief' }
      const response = await post('/auth/password', changing, { headers: bearer(thief) })
      t.match([response.statusCode, response.json().code], [401, 'invalid_credentials'])
      t.equal((await post('/auth/login', { username: 'alice', password: 'set by the thief' })).statusCode, 401)
      t.equal((await store.users.find('alice'))?.revision, 2)
    }
  },
)
