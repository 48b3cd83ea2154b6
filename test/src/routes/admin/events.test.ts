// Tests of what happened, as operators read it: events by page and live, counts over time, the overview, and the timeline of
// a session, for operators and in plain words for its owner.
import t, { type Test } from 'tap'
import { adminAudience } from '../../../../plugins/access-tokens/index.ts'
import { bearer, password, startGateway } from '../../../support/gateway.ts'

const firefox = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' }

async function withAdmin(t: Test) {
  const gateway = await startGateway(t)
  const admin = bearer(await gateway.signIn('root'))
  const read = async (url: string) => (await gateway.app.inject({ url, headers: admin })).json()
  const refresh = (token: string, options = {}) =>
    gateway.post('/auth/token', { grant_type: 'refresh_token', refresh_token: token }, options)
  return { ...gateway, admin, read, refresh, flush: () => gateway.app.auditTrail.recorder.flush() }
}

t.test('every outcome is an event with its one reason and where it came from', async (t) => {
  const { signIn, refresh, read, flush, clock, app } = await withAdmin(t)
  const alice = await signIn('alice', { headers: firefox, remoteAddress: '203.0.113.77' })
  clock.advance(60_000)
  await refresh(alice.refresh_token, { headers: firefox, remoteAddress: '203.0.113.77' })
  await refresh('forged')
  await flush()
  const { events, next } = await read('/admin/events?limit=3')
  t.match(events, [
    { reason: 'forged', granted: false, network: '127.0.0.0/24', node: app.auditTrail.node, sub: undefined },
    {
      reason: 'rotated',
      granted: true,
      sub: 'alice',
      sid: alice.session_id,
      generation: 1,
      client: 'Firefox 128 on Linux',
      network: '203.0.113.0/24',
      token_age_seconds: 60,
      at: '2026-11-01T12:01:00.000Z',
    },
    { reason: 'login_ok', sid: alice.session_id, generation: 1 },
  ])
  t.match((await read(`/admin/events?before=${next}`)).events, [{ reason: 'login_ok', sub: 'root' }])
})

t.test('events are filtered by session, subject and reason', async (t) => {
  const { signIn, read, flush } = await withAdmin(t)
  const alice = await signIn()
  await signIn()
  await flush()
  t.match(await read(`/admin/events?sid=${alice.session_id}`), { events: [{ sid: alice.session_id }], next: null })
  t.equal((await read('/admin/events?sub=alice&reason=login_ok')).events.length, 2)
  t.strictSame(await read('/admin/events?sub=alice&reason=reused'), { events: [], next: null })
})

t.test('a filter that is none is refused', async (t) => {
  const { app, admin } = await withAdmin(t)
  const wrong = [
    'reason=x',
    'reason=constructor',
    'sid=short',
    'sub=%0a',
    'limit=0',
    'limit=201',
    'limit=1e2',
    'before=x',
    'before=1-2%0a',
    'other=1',
  ]
  for (const query of wrong) {
    t.match(
      (await app.inject({ url: `/admin/events?${query}`, headers: admin })).json(),
      { code: 'invalid_request' },
      query,
    )
  }
  const bad = [
    '/admin/usage/history?window=week',
    '/admin/signals?limit=x',
    '/admin/signals?before=1',
    '/admin/signals?severity=bad',
    '/admin/signals?severity=alarm&severity=info',
    '/admin/signals?rule=reuse',
    '/admin/overview?x=1',
    '/admin/events/stream?x=1',
  ]
  for (const url of bad) t.equal((await app.inject({ url, headers: admin })).statusCode, 400, url)
})

t.test('signals come a page at a time, of one severity if asked', async (t) => {
  const { read, flush, app, post, store } = await withAdmin(t)
  const passwordHash = (await store.users.find('alice'))?.passwordHash ?? ''
  for (const sub of ['ana', 'bob', 'eve']) {
    await store.users.add({ sub, passwordHash, roles: [], scope: '' })
    for (let i = 0; i < 5; i += 1) await post('/auth/login', { username: sub, password: 'wrong' })
  }
  app.audit.record(undefined, { reason: 'reused', granted: false, sub: 'alice', sid: 'A'.repeat(32) })
  await flush()
  const first = await read('/admin/signals?limit=2')
  t.match(first.signals, [{ rule: 'reuse' }, { rule: 'login_failures_subject', sub: 'eve' }])
  t.match(await read(`/admin/signals?limit=2&before=${first.next}`), {
    signals: [{ sub: 'bob' }, { sub: 'ana' }],
    next: null,
  })
  t.match(await read('/admin/signals?severity=alarm&limit=1'), { signals: [{ rule: 'reuse' }], next: null })
  t.strictSame(await read('/admin/signals?severity=info'), { signals: [], next: null })
})

t.test('only administrators read', async (t) => {
  const { app, post } = await withAdmin(t)
  const asked = { username: 'alice', password, delivery: 'body', resource: adminAudience }
  const alice = bearer((await post('/auth/login', asked)).json())
  const urls = [
    '/admin/events',
    '/admin/events/stream',
    '/admin/signals',
    '/admin/overview',
    '/admin/usage/history',
    '/admin/sessions/x/timeline',
  ]
  for (const url of urls) {
    t.equal((await app.inject({ url })).statusCode, 401, url)
    t.equal((await app.inject({ url, headers: alice })).statusCode, 403, url)
  }
})

t.test('the history counts what is kept and what is not', async (t) => {
  const { refresh, read, flush, post } = await withAdmin(t)
  for (let i = 0; i < 50; i += 1) await refresh('junk')
  await post('/auth/login', { username: 'alice', password: 'wrong' })
  await flush()
  const { step_seconds, from, reasons } = await read('/admin/usage/history?window=hour')
  t.equal(step_seconds, 60)
  t.equal(from, '2026-11-01T11:01:00.000Z')
  t.equal(reasons.forged.length, 60)
  t.equal(reasons.forged.at(-1), 50)
  t.equal(reasons.login_failed.at(-1), 1)
  t.equal((await read('/admin/usage/history?window=day')).reasons.forged.length, 144)
  t.equal((await read('/admin/events?reason=forged&limit=200')).events.length, 20, 'of a flood, so many a second')
})

t.test('the overview names nodes, keys, sessions alive and the store', async (t) => {
  const { read, signIn, flush, app, post, admin } = await withAdmin(t)
  await signIn()
  await post('/admin/keys/rotate', {}, { headers: admin })
  await flush()
  t.match(await read('/admin/overview'), {
    active_sessions: { hour: 2, day: 2 },
    store: 'embedded (in memory)',
    nodes: [{ node: app.auditTrail.node, seen_at: '2026-11-01T12:00:00.000Z', version: String }],
    keys: [
      { state: 'next', alg: 'ES256' },
      { state: 'current', kid: String },
    ],
  })
})

t.test('the timeline of a session tells why its user was logged out', async (t) => {
  const { signIn, refresh, read, clock, app } = await withAdmin(t)
  const alice = await signIn('alice', { headers: firefox })
  clock.advance(60_000)
  const next = (await refresh(alice.refresh_token, { headers: firefox })).json()
  await app.inject({ url: '/auth/sessions', headers: bearer(next) })
  clock.advance(60_000)
  await refresh(alice.refresh_token, { remoteAddress: '198.51.100.9', headers: { 'user-agent': 'curl/8.1' } })
  const timeline = await read(`/admin/sessions/${alice.session_id}/timeline`)
  t.match(timeline, {
    sid: alice.session_id,
    sub: 'alice',
    ended: { at: '2026-11-01T12:02:00.000Z', reason: 'revoked_by_reuse', sentence: /old refresh token/ },
    entries: [
      { at: '2026-11-01T12:00:00.000Z', count: 1, reason: 'login_ok', sentence: 'Signed in.', client: /Firefox/ },
      { at: '2026-11-01T12:01:00.000Z', reason: 'rotated', generation: 1, network: '127.0.0.0/24' },
      { reason: 'reused', client: 'curl/8.1', network: '198.51.100.0/24', node: app.auditTrail.node },
      { reason: 'revoked_by_reuse' },
    ],
  })
})

t.test('the timeline of a session that expired says so; one that nobody knows is 404', async (t) => {
  const { signIn, read, clock, app, admin } = await withAdmin(t)
  const alice = await signIn()
  clock.advance(8 * 86_400_000)
  const late = bearer(await signIn('root'))
  const url = `/admin/sessions/${alice.session_id}/timeline`
  t.match((await app.inject({ url, headers: late })).json(), {
    ended: { reason: 'expired_idle', at: '2026-11-08T12:00:00.000Z' },
  })
  for (const sid of ['x', 'A'.repeat(32), '%00', '__proto__']) {
    const response = await app.inject({ url: `/admin/sessions/${sid}/timeline`, headers: late })
    t.ok([400, 404].includes(response.statusCode), `${sid}: ${response.statusCode}`)
  }
  t.match(await read('/admin/sessions?sub=alice'), {})
  t.ok(admin)
})

t.test(
  'a user reads in plain words what happened to each session, and not what an administrator’s network is',
  async (t) => {
    const { signIn, refresh, clock, app } = await withAdmin(t)
    const alice = await signIn('alice', { headers: firefox })
    let token = alice.refresh_token
    for (let i = 0; i < 3; i += 1) {
      clock.advance(60_000)
      token = (await refresh(token, { headers: firefox })).json().refresh_token
    }
    const { sessions } = (await app.inject({ url: '/auth/sessions', headers: bearer(alice) })).json()
    t.strictSame(sessions[0].events, [
      {
        at: '2026-11-01T12:00:00.000Z',
        count: 1,
        sentence: 'Signed in.',
        client: 'Firefox 128 on Linux',
        network: '127.0.0.0/24',
      },
      {
        at: '2026-11-01T12:01:00.000Z',
        until: '2026-11-01T12:03:00.000Z',
        count: 3,
        sentence: 'Refreshed.',
        client: 'Firefox 128 on Linux',
        network: '127.0.0.0/24',
      },
    ])
  },
)

t.test('an administrator’s act is in the events under their name', async (t) => {
  const { signIn, app, admin, read, flush } = await withAdmin(t)
  const alice = await signIn()
  await app.inject({ method: 'DELETE', url: `/admin/sessions/${alice.session_id}`, headers: admin })
  await flush()
  t.match(await read('/admin/events?reason=revoked_by_admin'), { events: [{ actor: 'root', sub: 'alice' }] })
  const { entries } = await read(`/admin/sessions/${alice.session_id}/timeline`)
  t.match(entries.at(-1), { reason: 'revoked_by_admin', network: undefined, client: undefined })
})
