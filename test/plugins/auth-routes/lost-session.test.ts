// Ending a session that the store does not hold, because it has lost it: its access tokens are all that is left of it, and they
// are refused from then on, everywhere.
import t, { type Test } from 'tap'
import { bearer, browserHeaders, cookiePair, password, startGateway, type TestGateway } from '../../support/gateway.ts'

interface LosingGateway extends TestGateway {
  /** From now on the store does not hold the session. */
  lose: (sid: string) => void
  /** The status of a request with an access token. */
  statusWith: (tokens: { access_token: string }) => Promise<number>
  /** Entries of the log about a session. */
  entriesOf: (sid: string) => Promise<unknown[]>
}

async function losing(t: Test): Promise<LosingGateway> {
  const lost = new Set<string>()
  const gateway = await startGateway(t)
  const { sessions } = gateway.store
  const [end, read] = [sessions.end.bind(sessions), sessions.read.bind(sessions)]
  sessions.end = async (sid, reason) => (lost.has(sid) ? { revocations: [] } : end(sid, reason))
  sessions.read = async (sid) => (lost.has(sid) ? undefined : read(sid))
  return {
    ...gateway,
    lose: (sid) => void lost.add(sid),
    statusWith: async (tokens) =>
      (await gateway.app.inject({ url: '/auth/sessions', headers: bearer(tokens) })).statusCode,
    entriesOf: async (sid) => {
      const { revocations } = await gateway.store.sessions.readRevocations({ sinceMs: 0 }, 0)
      return revocations.filter((one) => one.kind === 'session' && one.sid === sid)
    },
  }
}

t.test('by an administrator: by sid, in both ways', async (t) => {
  const { app, post, signIn, lose, statusWith, entriesOf, events } = await losing(t)
  const root = bearer(await signIn('root'))
  const [a, b] = [await signIn(), await signIn()]
  for (const { session_id } of [a, b]) lose(session_id)
  t.strictSame([await statusWith(a), await statusWith(b)], [200, 200])
  const ended = await app.inject({ method: 'DELETE', url: `/admin/sessions/${a.session_id}`, headers: root })
  t.equal(ended.statusCode, 204)
  const revoked = await post('/admin/revocations', { kind: 'session', sid: b.session_id }, { headers: root })
  t.strictSame([revoked.statusCode, revoked.json()], [200, { ended: 0 }])
  t.strictSame([await statusWith(a), await statusWith(b)], [401, 401])
  t.match(await entriesOf(a.session_id), [{ kind: 'session', reason: 'revoked_by_admin' }], 'every node is told')
  t.match(
    events('revoked_by_admin').map(({ sid, actor }) => [sid, actor]),
    [a, b].map(({ session_id }) => [session_id, 'root']),
  )
  await app.inject({ method: 'DELETE', url: `/admin/sessions/${a.session_id}`, headers: root })
  t.equal((await entriesOf(a.session_id)).length, 1, 'once is enough')
})

t.test('by its user: a logout by any of its tokens, and the end of one’s own session', async (t) => {
  const { app, post, signIn, lose, statusWith, entriesOf, events } = await losing(t)
  const [byRefresh, byAccess, bySid] = [await signIn(), await signIn(), await signIn()]
  const inCookie = await post('/auth/login', { username: 'alice', password })
  const all = [byRefresh, byAccess, bySid, inCookie.json()]
  for (const { session_id } of all) lose(session_id)
  await post('/auth/logout', { refresh_token: byRefresh.refresh_token })
  await post('/auth/logout', undefined, { headers: bearer(byAccess) })
  await post('/auth/logout', undefined, { headers: browserHeaders(cookiePair(inCookie)) })
  const headers = bearer(bySid)
  const ended = await app.inject({ method: 'DELETE', url: `/auth/sessions/${bySid.session_id}`, headers })
  t.equal(ended.statusCode, 204)
  for (const tokens of all) {
    t.equal(await statusWith(tokens), 401)
    t.equal((await entriesOf(tokens.session_id)).length, 1)
  }
  t.equal(events('logout').length, 3)
  t.match(events('revoked_by_user'), [{ sid: bySid.session_id, sub: 'alice' }])
})

t.test('a sign-in ends the session of the cookie that comes along, held by the store or not', async (t) => {
  const { post, lose, statusWith } = await losing(t)
  const first = await post('/auth/login', { username: 'alice', password })
  lose(first.json().session_id)
  const headers = browserHeaders(cookiePair(first))
  t.equal((await post('/auth/login', { username: 'alice', password }, { headers })).statusCode, 200)
  t.equal(await statusWith(first.json()), 401)
})

t.test('the session of another one is nobody’s to end', async (t) => {
  const { app, signIn, signInToServices, lose, statusWith } = await losing(t)
  const [alice, root] = [await signIn(), await signInToServices('root')]
  lose(root.session_id)
  const headers = bearer(alice)
  const ended = await app.inject({ method: 'DELETE', url: `/auth/sessions/${root.session_id}`, headers })
  t.equal(ended.statusCode, 404)
  t.equal(await statusWith(root), 200)
})
