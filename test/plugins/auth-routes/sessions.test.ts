// /auth/sessions: a user's own sessions, and nobody else's.
import t from 'tap'
import { bearer, startGateway } from '../../support/gateway.ts'

t.test('a user sees the own live sessions, newest first, and nothing that can be presented', async (t) => {
  const { app, post, signIn, clock } = await startGateway(t)
  await signIn('root')
  const laptop = await signIn('alice', {
    headers: { 'user-agent': `Laptop\u00e9 ${'x'.repeat(100)}` },
    remoteAddress: '192.0.2.7',
  })
  clock.advance(60_000)
  const phone = await signIn('alice', { headers: { 'user-agent': 'Phone' }, remoteAddress: '2001:db8::1' })
  clock.advance(60_000)
  await post('/auth/token', { grant_type: 'refresh_token', refresh_token: laptop.refresh_token })
  const response = await app.inject({ url: '/auth/sessions', headers: bearer(phone) })
  t.equal(response.statusCode, 200)
  // What happened to each is in test/src/routes/admin/events.test.ts.
  const sessions = response.json().sessions.map(({ events, ...session }: { events: object[] }) => session)
  t.strictSame(
    { sessions },
    {
      sessions: [
        {
          sid: phone.session_id,
          current: true,
          created_at: '2026-11-01T12:01:00.000Z',
          last_used_at: '2026-11-01T12:01:00.000Z',
          expires_at: '2026-11-08T12:01:00.000Z',
          device: 'Phone',
          ip: '2001:db8::1',
          amr: ['pwd'],
        },
        {
          sid: laptop.session_id,
          current: false,
          created_at: '2026-11-01T12:00:00.000Z',
          last_used_at: '2026-11-01T12:02:00.000Z',
          expires_at: '2026-11-08T12:02:00.000Z',
          device: response.json().sessions[1].device,
          ip: '192.0.2.7',
          amr: ['pwd'],
        },
      ],
    },
  )
  const { device } = response.json().sessions[1]
  t.ok(device.startsWith('Laptop') && Buffer.byteLength(device) <= 64)
})

t.test('a user ends one own session; another subject’s and an unknown one are the same 404', async (t) => {
  const { app, signIn } = await startGateway(t)
  const [here, there, root] = [await signIn(), await signIn(), await signIn('root')]
  const end = (sid: string) => app.inject({ method: 'DELETE', url: `/auth/sessions/${sid}`, headers: bearer(here) })
  t.equal((await end(there.session_id)).statusCode, 204)
  t.equal((await app.sessions.read(there.session_id))?.endReason, 'revoked_by_user')
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(there) })).statusCode, 401)
  t.equal((await end(there.session_id)).statusCode, 204, 'ended is ended')
  const foreign = await end(root.session_id)
  const unknown = await end('A'.repeat(32))
  t.match(foreign.json(), { status: 404, code: 'not_found' })
  const same = ({ request_id: _, ...rest }: Record<string, unknown>) => rest
  t.strictSame(same(foreign.json()), same(unknown.json()))
  t.equal((await app.sessions.read(root.session_id))?.revokedAt, undefined)
  for (const sid of [
    'x',
    `${'A'.repeat(31)}\0`,
    'A'.repeat(33),
    '__proto__',
    `${'A'.repeat(31)}/`,
    'a'.repeat(500),
    "' or 1",
  ]) {
    t.ok([400, 404].includes((await end(encodeURIComponent(sid))).statusCode), sid)
  }
  t.equal((await end(here.session_id)).statusCode, 204)
  t.equal((await end(here.session_id)).statusCode, 401, 'the own session ended with it')
})

t.test('a user reads why an own session ended, in plain words; what is not theirs is as if it never was', async (t) => {
  const { app, post, signIn, clock } = await startGateway(t)
  const refresh = (refresh_token: string, options = {}) =>
    post('/auth/token', { grant_type: 'refresh_token', refresh_token }, options)
  const [lost, root] = [await signIn(), await signIn('root')]
  const next = (await refresh(lost.refresh_token)).json()
  await app.inject({ url: '/auth/sessions', headers: bearer(next) })
  clock.advance(60_000)
  await refresh(lost.refresh_token, { headers: { 'user-agent': 'curl/8.1' }, remoteAddress: '198.51.100.9' })
  const here = bearer(await signIn())
  const read = async (sid: string) => app.inject({ url: `/auth/sessions/${sid}`, headers: here })
  const response = await read(lost.session_id)
  t.equal(response.statusCode, 200)
  const { ended, events, sid, current } = response.json()
  t.strictSame([sid, current], [lost.session_id, false])
  t.strictSame(ended, {
    at: '2026-11-01T12:01:00.000Z',
    sentence: 'The session was ended because an old refresh token was used again.',
  })
  t.strictSame(
    events.map(({ sentence, network }: Record<string, string>) => [sentence, network]),
    [
      ['Signed in.', '127.0.0.0/24'],
      ['Refreshed.', '127.0.0.0/24'],
      ['An old refresh token came back after its time: somebody may have copied it.', '198.51.100.0/24'],
      ['The session was ended because an old refresh token was used again.', '198.51.100.0/24'],
    ],
  )
  t.notMatch(response.body, /reused|"node"|generation/)
  const [foreign, unknown] = [await read(root.session_id), await read('A'.repeat(32))]
  const same = ({ request_id: _, ...rest }: Record<string, unknown>) => rest
  t.match(foreign.json(), { status: 404, code: 'not_found' })
  t.strictSame(same(foreign.json()), same(unknown.json()))
  t.equal((await app.inject({ url: `/auth/sessions/${lost.session_id}` })).statusCode, 401)
  t.equal((await read(`${lost.session_id}?x=1`)).statusCode, 400)
  clock.advance(40 * 60 * 1000)
  t.equal((await read('x')).statusCode, 401, 'and an access token that has expired reads nothing')
})

t.test('a live own session is read without an end, an expired one with it', async (t) => {
  const { app, signIn, clock } = await startGateway(t)
  const old = await signIn()
  const read = async () => {
    const headers = bearer(await signIn())
    return (await app.inject({ url: `/auth/sessions/${old.session_id}`, headers })).json()
  }
  t.match(await read(), { ended: undefined, events: [{ sentence: 'Signed in.' }] })
  clock.advance(8 * 86_400_000)
  t.match(await read(), { ended: { at: '2026-11-08T12:00:00.000Z', sentence: /not been used for too long/ } })
})

t.test('a user ends every other session, or all of them', async (t) => {
  const { app, signIn, signInToServices, events } = await startGateway(t)
  const [here, a, b] = [await signIn(), await signIn(), await signIn()]
  const root = await signInToServices('root')
  const others = await app.inject({ method: 'DELETE', url: '/auth/sessions?except=current', headers: bearer(here) })
  t.strictSame(others.json(), { ended: 2 })
  for (const ended of [a, b]) {
    t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(ended) })).statusCode, 401)
  }
  for (const query of ['except=all', 'except=', 'except=current&except=current', 'sub=root']) {
    const response = await app.inject({ method: 'DELETE', url: `/auth/sessions?${query}`, headers: bearer(here) })
    t.equal(response.statusCode, 400, query)
  }
  const all = await app.inject({ method: 'DELETE', url: '/auth/sessions', headers: bearer(here) })
  t.strictSame(all.json(), { ended: 1 })
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(here) })).statusCode, 401)
  t.equal((await app.inject({ url: '/auth/sessions', headers: bearer(root) })).statusCode, 200)
  t.equal(events('revoked_by_user').length, 3)
})

t.test('nothing here is answered without an access token', async (t) => {
  const { app, signIn } = await startGateway(t)
  const { access_token, refresh_token } = await signIn()
  for (const [method, url] of [
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', `/auth/sessions/${'A'.repeat(32)}`],
  ] as const) {
    for (const authorization of [undefined, `Bearer ${refresh_token}`, `Basic ${access_token}`, 'Bearer x']) {
      const response = await app.inject({ method, url, headers: authorization === undefined ? {} : { authorization } })
      t.equal(response.statusCode, 401, `${method} ${authorization}`)
      t.match(response.headers['www-authenticate'], /^Bearer realm=/)
    }
    t.equal((await app.inject({ method, url: `${url}?access_token=${access_token}` })).statusCode, 401)
  }
})
