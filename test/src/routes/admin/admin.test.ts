// /admin: who may, what it does to users and sessions, and that each event names who did it.
import t from 'tap'
import { adminAudience } from '../../../../plugins/access-tokens/index.ts'
import { bearer, password, startGateway } from '../../../support/gateway.ts'

t.test('nothing under /admin is answered without the role admin', async (t) => {
  const { app, post, signIn } = await startGateway(t)
  const named = { username: 'alice', password, delivery: 'body', resource: adminAudience }
  const alice = (await post('/auth/login', named)).json()
  const routes = [
    ['POST', '/admin/users'],
    ['GET', '/admin/users'],
    ['PATCH', '/admin/users/alice'],
    ['GET', '/admin/sessions'],
    ['GET', '/admin/sessions?sub=alice'],
    ['GET', `/admin/sessions/${alice.session_id}`],
    ['DELETE', `/admin/sessions/${alice.session_id}`],
    ['DELETE', '/admin/subjects/alice/sessions'],
    ['GET', '/admin/usage'],
    ['POST', '/admin/keys/rotate'],
    ['POST', '/admin/revocations'],
  ] as const
  for (const [method, url] of routes) {
    const anonymous = await app.inject({ method, url })
    t.match([anonymous.statusCode, anonymous.headers], [401, { 'www-authenticate': /^Bearer/ }], `${method} ${url}`)
    const foreign = await app.inject({ method, url, headers: bearer(await signIn()) })
    t.match(foreign.json(), { status: 401, code: 'invalid_token' }, `${method} ${url}, with a token for services`)
    const user = await app.inject({ method, url, headers: bearer(alice) })
    t.match(user.json(), { status: 403, code: 'forbidden' }, `${method} ${url}`)
  }
  t.equal((await app.sessions.read(alice.session_id))?.revokedAt, undefined)
})

t.test('an administrator creates a user, who can sign in with what was set', async (t) => {
  const { post, signIn, events } = await startGateway(t)
  const headers = bearer(await signIn('root'))
  const body = { username: 'Bob.Ｎ', password: 'pass 1 ünïcode', roles: ['user', 'ops'], scope: 'a:read b' }
  const created = await post('/admin/users', body, { headers })
  t.equal(created.statusCode, 201)
  t.strictSame(created.json(), {
    sub: 'bob.n',
    roles: ['user', 'ops'],
    scope: 'a:read b',
    disabled: false,
    created_at: '2026-11-01T12:00:00.000Z',
  })
  t.match(events('user_added'), [{ sub: 'bob.n', actor: 'root', granted: true }])
  const login = await post('/auth/login', { username: 'BOB.N', password: body.password })
  t.match([login.statusCode, login.json()], [200, { scope: 'a:read b' }])
  const again = await post('/admin/users', { ...body, username: 'bob.n', password: 'another one' }, { headers })
  t.match(again.json(), { status: 409, code: 'conflict' })
  t.equal((await post('/auth/login', { username: 'bob.n', password: 'another one' })).statusCode, 401)
  const least = await post('/admin/users', { username: 'carol', password: 'tea at 9' }, { headers })
  t.match(least.json(), { sub: 'carol', roles: [], scope: '' })
})

t.test('a user that cannot be is 400, with the place', async (t) => {
  const { post, signIn, store } = await startGateway(t)
  const headers = bearer(await signIn('root'))
  const before = await store.users.count()
  const good = { username: 'bob', password }
  const bodies: [object, string][] = [
    [{ ...good, username: '-bob' }, '/username'],
    [{ ...good, username: 'bob smith' }, '/username'],
    [{ ...good, username: 'b'.repeat(255) }, '/username'],
    [{ ...good, username: 'bób' }, '/username'],
    [{ ...good, username: 'bob/../root' }, '/username'],
    [{ ...good, username: '' }, '/username'],
    [{ ...good, username: 7 }, '/username'],
    [{ ...good, password: 'p\0' }, '/password'],
    [{ ...good, password: 'seven c' }, '/password'],
    [{ ...good, password: 'p'.repeat(257) }, '/password'],
    [{ ...good, password: '' }, '/password'],
    [{ username: 'bob' }, '/password'],
    [{ ...good, roles: 'admin' }, '/roles'],
    [{ ...good, roles: ['a,b'] }, '/roles/0'],
    [{ ...good, roles: ['a', 'a'] }, '/roles'],
    [{ ...good, roles: [''] }, '/roles/0'],
    [{ ...good, scope: 'a  b' }, '/scope'],
    [{ ...good, scope: 'a"b' }, '/scope'],
    [{ ...good, sub: 'root' }, '/sub'],
    [{ ...good, disabled: true }, '/disabled'],
  ]
  for (const [body, path] of bodies) {
    const response = await post('/admin/users', body, { headers })
    t.match(
      response.json(),
      { status: 400, code: 'invalid_request', errors: [{ in: 'body', path }] },
      JSON.stringify(body),
    )
  }
  t.equal(await store.users.count(), before)
})

/** The cursor behind a place, as a response has it. */
const cursor = (place: string) => Buffer.from(place).toString('base64url')

t.test('lists come to their end for clients that encode nothing, whatever is in a name', async (t) => {
  const { app, store, post, signIn } = await startGateway(t)
  const names = ['a', 'a+b', 'a+b@c.d', 'a-b', 'a.b', 'a@b', 'a_b', 'c+'.padEnd(64, '+')]
  const passwordHash = (await store.users.find('alice'))?.passwordHash ?? ''
  for (const sub of names) {
    await store.users.add({ sub, passwordHash, roles: [], scope: '' })
    t.equal((await post('/auth/login', { username: sub, password })).statusCode, 200)
  }
  const headers = bearer(await signIn('root'))
  for (const list of ['users', 'sessions']) {
    const listed: string[] = []
    let after: string | undefined = ''
    for (let pages = 0; after !== undefined && pages <= 2 * names.length; pages += 1) {
      const url: string = `/admin/${list}?limit=1${after && `&after=${after}`}`
      const body = (await app.inject({ url, headers })).json()
      t.match(body, { [list]: Array }, url)
      listed.push(...body[list].map(({ sub }: { sub: string }) => sub))
      after = body.next
    }
    const all = [...names, ...(list === 'users' ? ['alice'] : []), 'root']
    t.strictSame(listed, all.sort(), `all ${list}, each once`)
  }
})

t.test('a page of users behind what is no cursor is 400', async (t) => {
  const { app, signIn } = await startGateway(t)
  const headers = bearer(await signIn('root'))
  for (const after of ['', 'alice', 'a+b', cursor('Alice'), cursor('a b'), `${cursor('ab')}=`, 'YX', 'A'.repeat(201)]) {
    const response = await app.inject({ url: `/admin/users?after=${after}`, headers })
    t.match(response.json(), { status: 400, code: 'invalid_request', errors: [{ path: '/after' }] }, after)
  }
})

t.test('users are listed a page at a time, without their hashes', async (t) => {
  const { app, store, signIn } = await startGateway(t)
  for (const sub of ['c1', 'c2', 'c3']) await store.users.add({ sub, passwordHash: 'x', roles: [], scope: '' })
  const headers = bearer(await signIn('root'))
  const page = async (query: string) => (await app.inject({ url: `/admin/users${query}`, headers })).json()
  const subs = (body: { users: { sub: string }[] }) => body.users.map(({ sub }) => sub)
  const first = await page('?limit=2')
  t.strictSame([subs(first), first.next], [['alice', 'c1'], cursor('c1')])
  const second = await page(`?limit=2&after=${first.next}`)
  t.strictSame([subs(second), second.next], [['c2', 'c3'], cursor('c3')])
  const last = await page(`?limit=2&after=${second.next}`)
  t.strictSame([subs(last), last.next], [['root'], undefined])
  t.strictSame(subs(await page('')), ['alice', 'c1', 'c2', 'c3', 'root'])
  t.strictSame(Object.keys(first.users[0]).sort(), ['created_at', 'disabled', 'roles', 'scope', 'sub'])
  for (const query of ['?limit=0', '?limit=201', '?limit=-1', '?limit=x', '?limit=1&limit=2', '?offset=1']) {
    t.equal((await page(query)).code, 'invalid_request', query)
  }
})

t.test('a change of a user ends every session of that user, with its reason, before it is answered', async (t) => {
  const { app, post, signIn, events } = await startGateway(t)
  const root = bearer(await signIn('root'))
  const change = (sub: string, payload: object) =>
    app.inject({ method: 'PATCH', url: `/admin/users/${sub}`, headers: root, payload })
  const cases = [
    [{ roles: ['ops'] }, 'revoked_by_admin'],
    [{ scope: '' }, 'revoked_by_admin'],
    [{ password: 'a new password' }, 'password_changed'],
    [{ disabled: true, password: 'another password' }, 'user_disabled'],
  ] as const
  for (const [body, reason] of cases) {
    await change('alice', { password, disabled: false })
    const before = await signIn()
    const response = await change('alice', body)
    t.match([response.statusCode, response.json()], [200, { user: { sub: 'alice' }, ended: 1 }], reason)
    t.equal((await app.sessions.read(before.session_id))?.endReason, reason)
    t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(before) })).statusCode, 401)
    t.notOk(response.body.includes('argon2'))
  }
  t.equal((await post('/auth/login', { username: 'alice', password: 'another password' })).statusCode, 401, 'disabled')
  await change('alice', { disabled: false })
  t.equal((await post('/auth/login', { username: 'alice', password: 'another password' })).statusCode, 200)
  t.equal((await app.inject({ url: '/admin/users', headers: root })).statusCode, 200, 'nobody else is touched')
  t.ok(events('user_changed').every((line) => line['actor'] === 'root' && line['sub'] === 'alice'))
  for (const line of events('user_changed')) t.notOk(JSON.stringify(line).includes('another password'))
  t.match((await change('nobody', { disabled: true })).json(), { status: 404, code: 'not_found' })
  for (const body of [
    {},
    { sub: 'x' },
    { disabled: 'true' },
    { disabled: null },
    { password: 'a\0' },
    { password: 'seven c' },
    { scope: ' ' },
  ]) {
    t.equal((await change('alice', body)).statusCode, 400, JSON.stringify(body))
  }
  t.equal((await change('ALICE', { disabled: true })).statusCode, 400, 'a subject is canonical')
})

t.test('an administrator sees and ends sessions, and each end names who did it', async (t) => {
  const { app, signIn, events } = await startGateway(t)
  const root = await signIn('root')
  const headers = bearer(root)
  const [a, b, c] = [await signIn(), await signIn(), await signIn()]
  const listed = await app.inject({ url: '/admin/sessions?sub=alice', headers })
  t.equal(listed.json().sessions.length, 3)
  t.match(listed.json().sessions[0], { sub: 'alice', generation: 1, current: false, roles: ['user'], device: String })
  t.equal((await app.inject({ method: 'DELETE', url: `/admin/sessions/${a.session_id}`, headers })).statusCode, 204)
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(a) })).statusCode, 401)
  t.match(events('revoked_by_admin'), [{ sid: a.session_id, sub: 'alice', actor: 'root' }])
  const tombstone = await app.inject({ url: `/admin/sessions/${a.session_id}`, headers })
  t.match(tombstone.json(), { sid: a.session_id, ended_at: '2026-11-01T12:00:00.000Z', end_reason: 'revoked_by_admin' })
  t.equal((await app.inject({ method: 'DELETE', url: `/admin/sessions/${a.session_id}`, headers })).statusCode, 204)
  const unknown = 'A'.repeat(32)
  t.equal((await app.inject({ method: 'DELETE', url: `/admin/sessions/${unknown}`, headers })).statusCode, 204)
  t.equal((await app.inject({ url: `/admin/sessions/${unknown}`, headers })).statusCode, 404)
  const all = await app.inject({ method: 'DELETE', url: '/admin/subjects/alice/sessions', headers })
  t.strictSame(all.json(), { ended: 2 })
  for (const ended of [b, c]) {
    t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(ended) })).statusCode, 401)
  }
  t.equal((await app.inject({ url: '/admin/users', headers })).statusCode, 200)
})

t.test('all live sessions are listed a page at a time, by subject, whatever ends meanwhile', async (t) => {
  const { app, clock, signIn } = await startGateway(t)
  const root = await signIn('root')
  const page = async (query: string) =>
    (await app.inject({ url: `/admin/sessions${query}`, headers: bearer(root) })).json()
  t.match(await page(''), { sessions: [{ sub: 'root', current: true }], next: undefined })
  const sids: string[] = []
  for (let i = 0; i < 4; i += 1) {
    clock.advance(1000)
    sids.unshift((await signIn()).session_id)
  }
  const sidsOf = (body: { sessions: { sid: string }[] }) => body.sessions.map(({ sid }) => sid)
  const first = await page('?limit=2')
  t.strictSame(sidsOf(first), sids.slice(0, 2), 'newest sign-in first')
  t.match(first.sessions[0], { sub: 'alice', generation: 1, current: false, roles: ['user'] })
  t.equal(first.next, cursor(`alice~${clock.nowMs - 1000}~${sids[1]}`))
  for (const sid of [sids[1], sids[2]]) await app.sessions.end(String(sid), 'logout')
  const second = await page(`?limit=2&after=${first.next}`)
  t.strictSame(sidsOf(second), [sids[3], root.session_id])
  t.notOk('next' in second, 'the last page')
  t.strictSame(sidsOf(await page(`?after=${cursor('alice')}`)), [root.session_id])
  t.strictSame(await page(`?after=${cursor('zz')}`), { sessions: [] })
})

t.test('a query of sessions that makes no sense is 400 and names the parameter', async (t) => {
  const { app, signIn } = await startGateway(t)
  const headers = bearer(await signIn('root'))
  const sid = 'A'.repeat(32)
  const queries: [query: string, path: string][] = [
    ['sub=', '/sub'],
    ['sub=Alice', '/sub'],
    ['sub=a&sub=b', '/sub'],
    ['sub=a&limit=10', '/limit'],
    ['sub=a&after=a', '/after'],
    ['after=', '/after'],
    ['after=Alice', '/after'],
    ['after=~1~', '/after'],
    [`after=a~1~${sid.slice(1)}`, '/after'],
    [`after=a~1~${sid}A`, '/after'],
    [`after=a~-1~${sid}`, '/after'],
    [`after=a~1000000000000000~${sid}`, '/after'],
    [`after=a~1~${sid}~1`, '/after'],
    ['after=a%00', '/after'],
    ['after=a%0A', '/after'],
    ['after=a&after=b', '/after'],
    ['limit=0', '/limit'],
    ['limit=201', '/limit'],
    ['limit=x', '/limit'],
    ['offset=1', '/offset'],
  ]
  const encoded = queries
    .filter(([query]) => /^after=[^&]+$/.test(query))
    .map(([query, path]) => [`after=${cursor(decodeURIComponent(query.slice(6)))}`, path] as const)
  for (const [query, path] of [...queries, ...encoded]) {
    const response = await app.inject({ url: `/admin/sessions?${query}`, headers })
    t.match(
      [response.headers['content-type'], response.json()],
      [/^application\/problem\+json/, { status: 400, code: 'invalid_request', errors: [{ in: 'querystring', path }] }],
      query,
    )
  }
})

t.test('usage is counted by reason, and keys are rotated on demand', async (t) => {
  const { app, post, signIn, events } = await startGateway(t)
  const root = await signIn('root')
  const headers = bearer(root)
  await post('/auth/login', { username: 'alice', password: 'wrong' })
  const audit = await app.inject({ url: '/admin/usage', headers })
  t.match(audit.json(), { counts: { login_ok: 1, login_failed: 1, reused: 0 } })
  const rotated = await post('/admin/keys/rotate', undefined, { headers })
  t.equal(rotated.statusCode, 200)
  t.match(rotated.json(), { kid: String, active_from: /^2026-/ })
  t.match(events('keys_rotation_asked'), [{ actor: 'root', detail: rotated.json().kid }])
  t.equal((await app.inject({ url: '/admin/usage', headers })).statusCode, 200, 'tokens of the old key still count')
})
