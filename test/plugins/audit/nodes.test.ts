// Two gateways on one Redis: what happens on either is known to both, a finding of both is told once, a session's timeline names
// every node it was on. And a Redis that is away costs events, never a request that needs none.
import t, { type Test } from 'tap'
import { deriveSecrets } from '../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey } from '../../../plugins/keys/subject-tag.ts'
import type { KeyStore } from '../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../../plugins/session-store/refresh-token.ts'
import { type Clock, Clock as TestClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, gatewaySecret, startGateway, type TestGateway } from '../../support/gateway.ts'
import { newPrefix, sharedRedis, startRedis } from '../../support/redis/server.ts'
import { startProxy } from '../../support/tcp-proxy.ts'

const url = await sharedRedis(t)
const secrets = deriveSecrets([gatewaySecret])

async function loadSubjectTag(keys: KeyStore): Promise<(sub: string) => string> {
  const key = await loadSubjectTagKey(keys, secrets)
  return (sub) => subjectTag(sub, key)
}

function openOn(url: string, prefix: string) {
  return (clock: Clock) => openRedisStore({ url, prefix, clock: clock.now, deadlineMs: 2000, loadSubjectTag })
}

async function startTwo(t: Test, config = {}): Promise<[TestGateway & { prefix: string }, TestGateway]> {
  const [prefix, clock] = [newPrefix(), new TestClock(Date.parse('2026-11-01T12:00:00Z'))]
  const one = await startGateway(t, { clock, openStore: openOn(url, prefix), config: { ...config, node: 'one' } })
  const two = await startGateway(t, { clock, openStore: openOn(url, prefix), config: { ...config, node: 'two' } })
  return [{ ...one, prefix }, two]
}

const flush = (...gateways: TestGateway[]) => Promise.all(gateways.map(({ app }) => app.auditTrail.recorder.flush()))
const refresh = ({ post }: TestGateway, refresh_token: string, options = {}) =>
  post('/auth/token', { grant_type: 'refresh_token', refresh_token }, options)

t.test('either node tells the events, counts, nodes and timelines of both', async (t) => {
  const [one, two] = await startTwo(t)
  const alice = await one.signIn()
  one.clock.advance(60_000)
  const next = (await refresh(one, alice.refresh_token)).json()
  one.clock.advance(60_000)
  await refresh(two, next.refresh_token)
  const admin = bearer(await two.signIn('root'))
  await flush(one, two)
  const read = async (url: string) => (await two.app.inject({ url, headers: admin })).json()
  const { events } = await read('/admin/events?sub=alice')
  t.strictSame(events.map(({ node, reason }: Record<string, string>) => `${node} ${reason}`).sort(), [
    'one login_ok',
    'one rotated',
    'two rotated',
  ])
  const { rotated } = (await read('/admin/usage/history')).reasons
  t.equal(
    rotated.reduce((sum: number, count: number) => sum + count),
    2,
  )
  t.match(await read('/admin/overview'), {
    active_sessions: { hour: 2, day: 2 },
    nodes: [{ node: 'one' }, { node: 'two' }],
  })
  const { entries } = await read(`/admin/sessions/${alice.session_id}/timeline`)
  t.strictSame(
    entries.map(({ node }: { node: string }) => node),
    ['one', 'one', 'two'],
  )
})

t.test('a live reader on one node sees what happens on the other', async (t) => {
  const [one, two] = await startTwo(t)
  const reader = two.app.auditTrail.live.open(() => false)
  let seen = ''
  reader?.on('data', (part) => {
    seen += part
  })
  await eventually('a first look', async () => {
    await two.app.auditTrail.live.look()
    return seen.includes('live')
  })
  await one.post('/auth/login', { username: 'alice', password: 'wrong' })
  await flush(one)
  await eventually('the event', async () => {
    await two.app.auditTrail.live.look()
    return seen.includes('"node":"one","at"') || seen.includes('login_failed')
  })
  t.match(seen, /"node":"one"/)
})

t.test('a revocation counts where it was made, and how long it took where it is heard of', async (t) => {
  const [one, two] = await startTwo(t)
  const heard = ({ totals }: TestGateway) => totals.propagation.times.counts.reduce((sum, count) => sum + count, 0)
  const made = ({ totals }: TestGateway) => totals.revocations.get('session')
  const alice = bearer(await one.signIn())
  await one.app.inject({ method: 'POST', url: '/auth/logout', headers: alice })
  await eventually('the other node has heard of it', () => heard(two) === 1)
  t.strictSame([made(one), made(two), heard(one)], [1, 0, 1])
  const three = await startGateway(t, { clock: one.clock, openStore: openOn(url, one.prefix) })
  t.equal(three.app.revocation.status().entries, 1, 'what is loaded at start is known')
  t.equal(heard(three), 0, 'and says nothing of how long it took')
})

t.test('what both nodes find is one signal, told once', async (t) => {
  const [one, two] = await startTwo(t)
  for (const gateway of [one, two]) {
    for (let i = 0; i < 6; i += 1) await gateway.post('/auth/login', { username: 'alice', password: 'wrong' })
  }
  await flush(one, two)
  for (const { app } of [one, two]) {
    const { signals } = await app.auditTrail.store.signals({}, { limit: 10 })
    t.match(signals, [{ rule: 'login_failures_subject', sub: 'alice' }])
    t.equal(signals.length, 1)
  }
  const told = [one, two].map(({ totals }) => totals.signals.get('login_failures_subject') ?? 0)
  t.equal(
    told.reduce((sum, count) => sum + count),
    1,
  )
})

t.test('while Redis is away recording drops and counts, and what was gathered arrives afterwards, once', async (t) => {
  const { port } = await startRedis(t)
  const proxy = await startProxy(t, port)
  const gateway = await startGateway(t, { openStore: openOn(`redis://127.0.0.1:${proxy.port}`, 'c:') })
  const { app } = gateway
  await gateway.signIn()
  await flush(gateway)
  const { access_token } = await gateway.signIn()
  await proxy.refuse()
  for (let i = 0; i < 10; i += 1) await refresh(gateway, 'junk')
  await flush(gateway)
  t.equal((await app.inject({ url: '/livez' })).statusCode, 200)
  t.ok(access_token)
  await proxy.open()
  await eventually('Redis is back', () =>
    app.store.ping().then(
      () => true,
      () => false,
    ),
  )
  await eventually('they arrive', async () => {
    await flush(gateway)
    return (await app.auditTrail.store.page({ reason: 'forged' }, { limit: 50 })).events.length === 10
  })
  t.equal((await app.auditTrail.store.history('hour', gateway.clock.nowMs)).reasons['forged']?.at(-1), 10)
})
