// POST /auth/password: what it ends, what it gives, and every refusal.
import t from 'tap'
import { refreshCookieName } from '../../../plugins/browser/cookies.ts'
import { bearer, cookiesSetBy, password, startGateway, type Tokens } from '../../support/gateway.ts'

t.test(
  'a change of the own password ends every session, goes on in a new one and needs the current password',
  async (t) => {
    const { app, post, signIn, events } = await startGateway(t, {
      config: { loginLimit: { max: 4, windowMs: 60_000 } },
    })
    const here = await signIn()
    const elsewhere = await signIn()
    const change = (current_password: string, new_password: string) =>
      post('/auth/password', { current_password, new_password }, { headers: bearer(here) })
    t.match((await change('wrong', 'a new one')).json(), { status: 401, code: 'invalid_credentials' })
    t.equal((await change(password, 'a\0b')).statusCode, 400)
    t.equal((await change(password, 'x'.repeat(257))).statusCode, 400)
    t.equal((await change(password, 'seven c')).statusCode, 400, 'too short to be set')
    t.equal((await post('/auth/password', { current_password: password, new_password: 'x' })).statusCode, 401)
    const changed = await change(password, 'a new one')
    t.equal(changed.statusCode, 200)
    t.equal(changed.headers['cache-control'], 'no-store')
    const next = changed.json<Tokens>()
    t.match(next, { scope: here.scope, refresh_token: String })
    t.not(next.session_id, here.session_id)
    t.notOk(refreshCookieName in cookiesSetBy(changed), 'delivered as the session was')
    for (const old of [elsewhere, here]) {
      t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(old) })).statusCode, 401, 'a thief')
      const { statusCode } = await post('/auth/token', {
        grant_type: 'refresh_token',
        refresh_token: old.refresh_token,
      })
      t.equal(statusCode, 400)
    }
    t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(next) })).statusCode, 200)
    const refreshed = await post('/auth/token', { grant_type: 'refresh_token', refresh_token: next.refresh_token })
    t.equal(refreshed.statusCode, 200)
    t.match(
      events('password_changed')
        .map(({ sid }) => sid)
        .sort(),
      [elsewhere, here].map((one) => one.session_id).sort(),
    )
    t.equal((await post('/auth/login', { username: 'alice', password })).statusCode, 401)
    t.equal((await post('/auth/login', { username: 'alice', password: 'a new one' })).statusCode, 200)
    const guess = () =>
      post('/auth/password', { current_password: 'guess', new_password: 'a new one' }, { headers: bearer(next) })
    // The session has a budget of its own, and then what a stranger has.
    for (let i = 0; i < 6; i += 1) await guess()
    t.equal((await guess()).statusCode, 429, 'guesses are limited like logins')
  },
)
