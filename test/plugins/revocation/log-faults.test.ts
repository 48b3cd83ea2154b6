// The log goes wrong under a gateway that follows it, on real stores: entries nobody knows, a log that was trimmed, emptied or
// lost its end, a server that comes back with nothing, a store that is silent. A node then loads again or says that it does
// not know; it never misses what it could have read.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { openEmbeddedStore } from '../../../plugins/session-store/embedded/index.ts'
import type { RevocationEntry, Store } from '../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../plugins/session-store/redis/index.ts'
import { Clock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { bearer, startGateway } from '../../support/gateway.ts'
import { newPrefix, sharedRedis, startRedis } from '../../support/redis/server.ts'
import { startProxy } from '../../support/tcp-proxy.ts'
import { startStreamingUpstream } from '../../support/upstream.ts'
import { newJti, opener, refusedAt, startNodes, statusAt } from './nodes.ts'

const url = await sharedRedis(t)
const newClock = () => new Clock(Date.parse('2026-11-01T12:00:00Z'))

function beside(t: Test, to = url): Redis {
  const redis = new Redis(to, { protocol: 2, disableClientInfo: true })
  redis.on('error', () => undefined)
  t.teardown(() => redis.disconnect())
  return redis
}

async function openStore(t: Test, clock: Clock, prefix: string, keepLogMs?: number): Promise<Store> {
  const loadSubjectTag = async () => () => 'AAAAAAAA'
  const more = keepLogMs === undefined ? {} : { keepLogMs }
  const store = await openRedisStore({ url, prefix, clock: clock.now, loadSubjectTag, deadlineMs: 10_000, ...more })
  t.teardown(() => store.close())
  return store
}

const revokeToken = ({ sessions }: Store, jti: string) => sessions.revoke({ kind: 'token', jti })
const namesIn = (revocations: readonly RevocationEntry[]) =>
  revocations.map((one) => ('jti' in one ? one.jti : one.kind))

t.test('an entry of a kind that is unknown is skipped, counted and warned of; those around it count', async (t) => {
  const clock = newClock()
  const prefix = newPrefix()
  const { here, there } = await startNodes(t, url, prefix, { clock })
  const [first, second] = [await here.signIn(), await here.signIn()]
  const log = `${prefix}revocations`
  const redis = beside(t)
  await here.post('/auth/logout', { refresh_token: first.refresh_token })
  const later = `${clock.nowMs + 1}`
  await redis.xadd(log, `${later}-0`, 'kind', 'planet', 'name', 'mars', 'sub', '', 'reason', '', 'at', later)
  await redis.xadd(log, `${later}-1`, 'nothing', 'known')
  await redis.xadd(log, `${later}-2`, 'kind', 'session', 'name', '', 'sub', '', 'reason', '', 'at', 'never')
  clock.advance(2)
  await here.post('/auth/logout', { refresh_token: second.refresh_token })
  for (const tokens of [first, second]) await refusedAt(there, tokens)
  t.equal(there.app.revocation.status().unknownEntries, 3)
  t.equal(there.app.revocation.status().reloads, 0)
  t.match(
    there.log.find(({ msg }) => String(msg).includes('does not know')),
    { level: 40 },
  )
  const late = await startGateway(t, { clock, openStore: opener(url, prefix) })
  t.equal(late.app.revocation.status().unknownEntries, 3, 'they do not stop a start')
  t.equal(await statusAt(late, second), 401)
})

t.test('a place that was trimmed under a slow reader is a gap, and so is an emptied log', async (t) => {
  const clock = newClock()
  const prefix = newPrefix()
  const store = await openStore(t, clock, prefix, 60_000)
  await revokeToken(store, 'a')
  const { position } = await store.sessions.readRevocations({ sinceMs: 0 }, 0)
  t.match(await store.sessions.readRevocations(position, 0), { hasGap: false, revocations: [] })
  clock.advance(50_000)
  await revokeToken(store, 'b')
  t.match(await store.sessions.readRevocations(position, 0), { hasGap: false, revocations: [{ jti: 'b' }] })
  clock.advance(20_000)
  await revokeToken(store, 'c')
  for (const waitMs of [0, 60_000]) {
    t.match(await store.sessions.readRevocations(position, waitMs), { hasGap: true }, 'at once, whatever it waits for')
  }
  const since = await store.sessions.readRevocations({ sinceMs: 0 }, 0)
  t.strictSame([since.hasGap, namesIn(since.revocations)], [false, ['b', 'c']])
  await beside(t).del(`${prefix}revocations`)
  t.match(await store.sessions.readRevocations(since.position, 60_000), { hasGap: true, revocations: [] })
  const empty = await store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
  t.match(await store.sessions.readRevocations(empty.position, 0), { hasGap: false }, 'a time is vouched for')
})

t.test(
  'a log whose end lies before the place, as a new primary has it: what it gets is found all the same',
  async (t) => {
    const clock = newClock()
    const prefix = newPrefix()
    const { here, there } = await startNodes(t, url, prefix, { clock })
    const [lost, kept] = [await here.signIn(), await here.signIn()]
    clock.advance(5_000)
    await here.post('/auth/logout', { refresh_token: lost.refresh_token })
    await refusedAt(there, lost)
    // The new primary never had that entry, and its clock is behind: the next one gets a place before it.
    clock.nowMs -= 4_000
    await beside(t).del(`${prefix}revocations`)
    await here.post('/auth/logout', { refresh_token: kept.refresh_token })
    await refusedAt(there, kept)
    await eventually('it loaded again', () => there.app.revocation.status().reloads > 0)
    t.equal(await statusAt(there, lost), 401, 'what was known stays known')
    t.match(
      there.log.find(({ msg }) => String(msg).includes('was loaded again')),
      { level: 30 },
    )
  },
)

t.test('a Redis that comes back empty: the node follows it again and still refuses what it knew', async (t) => {
  const server = await startRedis(t)
  const clock = newClock()
  const { here, there } = await startNodes(t, server.url, newPrefix(), { clock })
  const tokens = await here.signIn()
  await here.post('/auth/logout', { refresh_token: tokens.refresh_token })
  await refusedAt(there, tokens)
  await server.kill()
  await server.start()
  clock.advance(1_000)
  const jti = newJti()
  await eventually('the store is back', async () => {
    return await here.app.sessions.revoke({ kind: 'token', jti }).then(
      () => true,
      () => false,
    )
  })
  const known = (name: string) => there.app.revocation.isRevoked({ sid: '', sub: '', jti: name, auth_time: 1e12 })
  await eventually('the other hears of it', () => known(jti))
  // 503 once the node has found that the store is another one: it responds to nobody any more.
  t.ok([401, 503].includes(await statusAt(there, tokens)))
})

t.test('a node that hears nothing says so: 503 and Retry-After, and serves again when it does', async (t) => {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server.port)
  const gateway = await startGateway(t, {
    clock: newClock(),
    openStore: opener(`redis://127.0.0.1:${proxy.port}`, newPrefix()),
    config: { maxStalenessMs: 1_500 },
  })
  const tokens = await gateway.signIn()
  proxy.silence()
  await eventually('it is stale', async () => (await statusAt(gateway, tokens)) === 503)
  const response = await gateway.app.inject({ url: '/auth/sessions', headers: bearer(tokens) })
  t.match(
    [response.json(), response.headers],
    [{ status: 503, code: 'revocation_unknown' }, { 'retry-after': /^\d+$/ }],
  )
  const ready = await gateway.app.inject('/readyz')
  t.match([ready.statusCode, ready.json()], [503, { revocation_log: { age_ms: Number, last_id: String } }])
  t.ok(ready.json().revocation_log.age_ms > 1_000)
  proxy.reset()
  await proxy.open()
  await eventually('it hears again', async () => (await statusAt(gateway, tokens)) === 200)
})

t.test('with onStale serve, tokens are honoured until they expire', async (t) => {
  const server = await startRedis(t)
  const service = await startStreamingUpstream((_request, response) => void response.end('ok'))
  t.teardown(() => service.close())
  for (const [onStale, status] of [
    ['serve', 200],
    ['reject', 503],
  ] as const) {
    const routes = [{ prefix: '/svc', upstream: service.url }]
    const gateway = await startGateway(t, {
      clock: newClock(),
      openStore: opener(server.url, newPrefix()),
      config: { maxStalenessMs: 500, onStale, routes },
    })
    const headers = bearer(await gateway.signIn())
    const address = await gateway.app.listen({ host: '127.0.0.1', port: 0 })
    const ask = async () => (await fetch(`${address}/svc/x`, { headers })).status
    t.equal(await ask(), 200)
    await server.kill()
    await eventually('it is stale', () => gateway.app.revocation.status().isStale)
    t.equal(await ask(), status, onStale)
    await server.start()
  }
})

t.test('embedded: a purged place and a file from before are gaps; an unknown kind is skipped', async (t) => {
  const clock = newClock()
  const store = openEmbeddedStore({ file: ':memory:', clock: clock.now, purgeEveryMs: 2 })
  t.teardown(() => store.close())
  const { sessions } = store
  await revokeToken(store, 'a')
  t.match(await sessions.readRevocations('0', 60_000), { hasGap: false, position: '1' })
  t.match(await sessions.readRevocations('7', 60_000), { hasGap: true }, 'it ends before that place')
  clock.advance(3 * 24 * 3_600_000)
  await eventually(
    'the purge',
    async () => (await sessions.readRevocations({ sinceMs: 0 }, 0)).revocations.length === 0,
  )
  t.match(await sessions.readRevocations('0', 60_000), { hasGap: true }, 'what came after is gone')
  t.match(await sessions.readRevocations('1', 0), { hasGap: false }, 'nothing came after')
  await revokeToken(store, 'b')
  t.match(await sessions.readRevocations('0', 0), { hasGap: true })
  t.match(await sessions.readRevocations('1', 0), { hasGap: false, revocations: [{ jti: 'b' }] })
})
