// Tests of what recording may do to those who record: nothing. And what has come before it, when something is reported: the
// end itself.
import { pino } from 'pino'
import t from 'tap'
import { Audit } from '../../../plugins/audit/index.ts'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { bearer, startGateway, type Tokens } from '../../support/gateway.ts'

const thrower = {
  get: () => {
    throw new Error('nothing is here')
  },
}

t.test('recording never throws, whatever it is given and whoever listens', async (t) => {
  const lines: Record<string, unknown>[] = []
  const audit = new Audit(pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }), {})
  const heard: string[] = []
  audit.onRecorded(() => {
    throw new Error('a listener')
  })
  audit.onRecorded(({ reason }) => void heard.push(reason))
  const hostile = [undefined, null, {}, { headers: null }, { headers: { 'user-agent': 7 } }, new Proxy({}, thrower)]
  // Boundary: no type allows these; whatever goes wrong in a request must not go wrong here.
  for (const request of hostile) audit.record(request as undefined, { reason: 'logout', granted: true })
  t.equal(heard.at(-1), 'logout')
  t.ok(lines.some(({ msg }) => msg === 'an event could not be recorded'))
  const silent = new Audit(new Proxy(pino(), thrower), {})
  silent.record(undefined, { reason: 'reused', granted: false })
  t.equal(silent.counts()['reused'], 1)
})

t.test('when an end is reported, this node refuses already what has ended', async (t) => {
  const { app, post, signIn, store, clock } = await startGateway(t)
  const root = bearer(await signIn('root'))
  const claimsOf = ({ access_token }: Tokens) => {
    const verified = app.accessTokens.verify(access_token)
    if (!verified.ok) throw new Error(verified.reason)
    return verified.claims
  }
  const seen: [reason: string, refused: boolean][] = []
  let watched: Tokens[] = []
  app.audit.onRecorded(({ reason, sid }) => {
    if (sid === undefined && reason !== 'user_changed' && reason !== 'revocation_asked') return
    const about = watched.filter(({ session_id }) => sid === undefined || sid === session_id)
    if (about.length > 0) seen.push([reason, watched.every((tokens) => app.revocation.isRevoked(claimsOf(tokens)))])
  })
  const watch = async (...tokens: Tokens[]) => {
    watched = tokens
  }

  await watch(await signIn(), await signIn())
  await app.inject({ method: 'PATCH', url: '/admin/users/alice', headers: root, payload: { disabled: true } })
  await app.inject({ method: 'PATCH', url: '/admin/users/alice', headers: root, payload: { disabled: false } })
  t.strictSame(seen.splice(0), [
    ['user_disabled', true],
    ['user_disabled', true],
    ['user_changed', true],
    ['user_changed', true],
  ])

  clock.advance(1000)
  const first = await signIn()
  const body = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
  const next = (await post('/auth/token', body)).json<Tokens>()
  await app.inject({ url: '/auth/sessions', headers: bearer(next) })
  clock.advance(11_000)
  await watch(next)
  await post('/auth/token', body)
  t.strictSame(seen.splice(0), [
    ['reused', true],
    ['revoked_by_reuse', true],
  ])
  t.ok((await store.sessions.read(first.session_id))?.revokedAt)
})

t.test('a change of a user is reported also where the store went away before its sessions were ended', async (t) => {
  const { app, signIn, store, events } = await startGateway(t)
  const root = bearer(await signIn('root'))
  const endAll = store.sessions.endAll.bind(store.sessions)
  let isAway = true
  store.sessions.endAll = async (...about) => {
    if (isAway) throw new StoreUnavailable('away')
    return endAll(...about)
  }
  const change = () =>
    app.inject({ method: 'PATCH', url: '/admin/users/alice', headers: root, payload: { roles: ['admin'] } })
  t.equal((await change()).statusCode, 503)
  t.match(events('user_changed'), [{ sub: 'alice', actor: 'root', detail: 'roles' }])
  isAway = false
  t.equal((await change()).statusCode, 200)
})

t.test('a logout by several tokens ends what it can, also where one of them fails', async (t) => {
  const { post, signIn, store } = await startGateway(t)
  const [a, b] = [await signIn(), await signIn()]
  const { end } = store.sessions
  store.sessions.end = async (sid, reason) => {
    if (sid === a.session_id) throw new StoreUnavailable('away')
    return end.call(store.sessions, sid, reason)
  }
  const out = await post('/auth/logout', { refresh_token: a.refresh_token }, { headers: bearer(b) })
  t.equal(out.statusCode, 503)
  t.ok((await store.sessions.read(b.session_id))?.revokedAt)
})
