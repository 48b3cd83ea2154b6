// New primaries under attack: a server that is killed and comes back with an older snapshot stands for every failover that loses
// writes, because that is all a node sees of one. The test on real replicas is failover/lost-writes.test.ts.
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../../../../plugins/session-store/port/store.ts'
import { parseRedisUrl } from '../../../../../plugins/session-store/redis/connection/address.ts'
import { RedisLink } from '../../../../../plugins/session-store/redis/connection/link.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../../../plugins/session-store/redis/index.ts'
import { scripts } from '../../../../../plugins/session-store/redis/scripts.ts'
import { Clock } from '../../../../support/clock.ts'
import { eventually } from '../../../../support/eventually.ts'
import { type RedisServer, startRedis } from '../../../../support/redis/server.ts'
import { send } from '../../../../support/redis/topology.ts'
import { startProxy } from '../../../../support/tcp-proxy.ts'
import {
  login,
  type Node,
  openNode,
  openSessions,
  present,
  sessionOf,
  tagOf,
  tokenOf,
} from '../../support/lost-writes.ts'

// Fast, but not so fast that a machine that does other things as well is too slow.
const options = { deadlineMs: 1_000, failoverWaitMs: 300, lookEveryMs: 50 }

async function open(t: Test, more: Partial<RedisStoreOptions> = {}): Promise<{ server: RedisServer; node: Node }> {
  const server = await startRedis(t)
  return { server, node: await openNode(t, server.url, { ...options, ...more }) }
}

/** What is written from here on is lost when the server is killed. */
async function snapshot(server: RedisServer): Promise<void> {
  await send(server, ['SAVE'])
}

/** Kills the server and starts it as it was at the last snapshot. */
async function loseWrites(server: RedisServer): Promise<void> {
  await server.kill()
  await server.start()
}

async function rotate(node: Node, session: Parameters<typeof tokenOf>[0]) {
  return sessionOf(await present(node, tokenOf(session)))
}

t.test('a first start on an empty store is no failover: nothing waits, and nothing can be healed', async (t) => {
  const { server, node } = await open(t, { failoverWaitMs: 60_000 })
  const [session] = await openSessions(node.store, 'ana', 1)
  if (!session) throw new Error('no session')
  const other = await openNode(t, server.url, { ...options, failoverWaitMs: 60_000 })
  t.match(await other.store.sessions.rotate(tokenOf(session), 0), { outcome: 'rotated' })
  const ahead = { ...tokenOf(session), generation: 5 }
  t.match(
    await node.store.sessions.rotate(ahead, 0),
    { outcome: 'ahead' },
    'a signed token of no known loss is refused',
  )
  t.match(await node.store.sessions.read(session.sid), { generation: 3 }, 'and changes nothing')
})

t.test('a primary that this node has not prepared rotates nothing for it, over whatever connection', async (t) => {
  const { server, node } = await open(t)
  const [session] = await openSessions(node.store, 'ana', 1)
  const link = new RedisLink(parseRedisUrl(server.url), { deadlineMs: 1000, commandLimit: 10 })
  t.teardown(() => link.close())
  const subject = `c:{${tagOf('ana0')}}`
  const field = Buffer.from('0'.repeat(24), 'base64url')
  const args = ['', 1000, field, 2, 0, 10_000, 'f'.repeat(40), 8]
  const keys = [subject, `${subject}${'0'.repeat(24)}`, 'c:revocations', 'c:not-before']
  t.strictSame(String(await link.run(scripts.rotate, keys, args)), 'new_primary')
  const buried = ['f'.repeat(40), field, 'logout', Date.now()]
  t.equal(String(await link.run(scripts.restoreTombstone, keys.slice(0, 2), buried)), 'elsewhere')
  t.strictSame(await node.store.sessions.read(session?.sid ?? ''), session)
})

t.test('no refresh is answered before the new primary has heard for how long it was to wait', async (t) => {
  const { server, node } = await open(t, { failoverWaitMs: 1_500 })
  const [session] = await openSessions(node.store, 'ana', 1)
  if (!session) throw new Error('no session')
  await snapshot(server)
  await loseWrites(server)
  const startedAt = performance.now()
  await t.rejects(node.store.sessions.rotate(tokenOf(session), 0), StoreUnavailable, 'within its deadline it waits')
  t.ok(performance.now() - startedAt < 1_400, 'and not for longer')
  t.match(await present(node, tokenOf(session)), { outcome: 'rotated' })
  t.ok(performance.now() - startedAt > 1_300, 'a primary settles first')
})

t.test('two losses in a row: a token of the first is healed after the second, and ends of both hold', async (t) => {
  const { server, node } = await open(t)
  const sessions = await openSessions(node.store, 'ana', 4)
  const [early, late, gone, goneLater] = sessions
  if (!early || !late || !gone || !goneLater) throw new Error('no sessions')
  await snapshot(server)
  const lostFirst = await rotate(node, early)
  await node.store.sessions.end(gone.sid, 'logout')
  await loseWrites(server)
  t.match(await present(node, tokenOf(gone)), { outcome: 'revoked' })
  const lostSecond = await rotate(node, late)
  await node.store.sessions.end(goneLater.sid, 'revoked_by_admin')
  await loseWrites(server)
  t.match(await present(node, tokenOf(lostFirst)), {
    outcome: 'healed',
    lostGenerations: 1,
    session: { generation: 4 },
  })
  t.match(await present(node, tokenOf(lostSecond)), { outcome: 'healed', lostGenerations: 1 })
  t.match(await present(node, tokenOf(gone)), { outcome: 'revoked', reason: 'logout' })
  t.match(await present(node, tokenOf(goneLater)), { outcome: 'revoked', reason: 'revoked_by_admin' })
  t.match(await present(node, tokenOf(lostFirst)), { outcome: 'retried' }, 'the same token again is a lost response')
})

t.test('a loss while the new primary still settles begins anew', async (t) => {
  const { server, node } = await open(t, { failoverWaitMs: 1_000 })
  const [session, gone] = await openSessions(node.store, 'ana', 2)
  if (!session || !gone) throw new Error('no sessions')
  await snapshot(server)
  await node.store.sessions.end(gone.sid, 'logout')
  await loseWrites(server)
  // The first of the two is being told; what it was told goes with it.
  await eventually('it was told', async () => String(await send(server, ['HLEN', 'c:epochs'])) === '2')
  await loseWrites(server)
  const killedAt = performance.now()
  t.match(await present(node, tokenOf(gone)), { outcome: 'revoked' })
  t.match(await present(node, tokenOf(session)), { outcome: 'rotated' })
  t.ok(performance.now() - killedAt > 800, 'the second has settled as well')
})

t.test('a node that slept through it all ends late what it had ended, and finally', async (t) => {
  const server = await startRedis(t)
  const wire = await startProxy(t, server.port)
  const awake = await openNode(t, server.url, options)
  const asleep = await openNode(t, `redis://127.0.0.1:${wire.port}`, options)
  const [session] = await openSessions(awake.store, 'ana', 1)
  if (!session) throw new Error('no session')
  await snapshot(server)
  await awake.store.close()
  await asleep.store.sessions.end(session.sid, 'logout')
  wire.silence()
  await loseWrites(server)
  // One that has heard of nothing.
  const fresh = await openNode(t, server.url, options)
  const rotated = await present(fresh, tokenOf(session))
  t.match(rotated, { outcome: 'rotated' }, 'nobody who was there knew')
  await wire.open()
  wire.reset()
  await eventually('it is told by the one that slept', async () => {
    const known = await fresh.store.sessions.read(session.sid)
    return known?.endReason === 'logout'
  })
  t.match(await present(fresh, tokenOf(sessionOf(rotated))), { outcome: 'revoked', reason: 'logout' })
  await eventually('and the others hear of it', () => fresh.heard.has(session.sid))
})

t.test('a new primary whose clock is behind heals, holds ends, and its log is followed', async (t) => {
  const clock = new Clock()
  const { server, node } = await open(t, { clock: clock.now })
  const [session, gone, later] = await openSessions(node.store, 'ana', 3)
  if (!session || !gone || !later) throw new Error('no sessions')
  await snapshot(server)
  clock.advance(3_000)
  const lost = await rotate(node, session)
  await node.store.sessions.end(gone.sid, 'logout')
  await eventually('the node has read it', () => node.heard.has(gone.sid))
  await server.kill()
  clock.nowMs -= 8_000
  await server.start()
  const healed = await present(node, tokenOf(lost))
  t.match(healed, { outcome: 'healed', lostGenerations: 1 })
  t.match(await present(node, tokenOf(gone)), { outcome: 'revoked' })
  t.match(await present(node, tokenOf(sessionOf(healed))), { outcome: 'rotated' })
  await node.store.sessions.end(later.sid, 'logout')
  await eventually('what is logged before the place it stood at is read too', () => node.heard.has(later.sid))
  t.ok(node.reloads > 0)
  clock.advance(6_000)
  const superseded = await present(node, tokenOf(session), 500)
  t.match(superseded, { outcome: 'reused' }, 'a grace does not last longer for it')
})

t.test(
  'every place in the log that was given out before a loss leads to a reload, also that of an empty log',
  async (t) => {
    const clock = new Clock()
    const server = await startRedis(t)
    const settings = { ...options, url: server.url, clock: clock.now, loadSubjectTag: async () => tagOf }
    const store = await openRedisStore(settings)
    t.teardown(() => store.close())
    const { position } = await store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
    const waiting = store.sessions.readRevocations(position, 30_000).catch(() => undefined)
    await snapshot(server)
    await loseWrites(server)
    const response = await waiting
    await eventually('the node has seen the new primary', async () => {
      const page = await store.sessions.readRevocations(position, 0).catch(() => undefined)
      return page?.hasGap === true
    })
    t.ok(response === undefined || response.hasGap, 'who waited was not told that nothing had happened')
    const reloaded = await store.sessions.readRevocations({ sinceMs: 0 }, 0)
    t.equal(reloaded.hasGap, false)
    t.match(await store.sessions.readRevocations(reloaded.position, 0), { hasGap: false }, 'once it has loaded again')
    t.match(await store.sessions.readRevocations(position, 0), { hasGap: true }, 'another reader learns it by itself')
  },
)

t.test("a thief's token from the lost time ends the session as soon as both have come", async (t) => {
  const { server, node } = await open(t)
  const [session] = await openSessions(node.store, 'ana', 1)
  if (!session) throw new Error('no session')
  await snapshot(server)
  const copied = await rotate(node, session)
  const newest = await rotate(node, await rotate(node, copied))
  await loseWrites(server)
  // The copy is older than the owner's token, and the store has lost that it was superseded.
  const toThief = await present(node, tokenOf(copied))
  t.match(toThief, { outcome: 'healed', lostGenerations: 1 })
  const toOwner = await present(node, tokenOf(newest))
  t.match(toOwner, { outcome: 'healed', session: { generation: newest.generation + 1 } }, 'the owner goes on as well')
  await node.store.sessions.markDelivered([sessionOf(toOwner)])
  t.match(await present(node, tokenOf(sessionOf(toThief))), { outcome: 'reused' }, 'the thief comes again')
  t.match(await present(node, tokenOf(sessionOf(toOwner))), { outcome: 'revoked' })
})

t.test('a generation that was superseded before the loss is reuse after it, also within the lost time', async (t) => {
  const { server, node } = await open(t)
  const [session] = await openSessions(node.store, 'ana', 1)
  if (!session) throw new Error('no session')
  const second = await rotate(node, session)
  await node.store.sessions.markDelivered([second])
  await snapshot(server)
  await rotate(node, second)
  await loseWrites(server)
  t.match(await present(node, tokenOf(session)), { outcome: 'reused' })
})

t.test(
  'an older snapshot: what was issued longer before, or lies further ahead, is refused and ends nothing',
  async (t) => {
    const clock = new Clock()
    const { server, node } = await open(t, { clock: clock.now })
    const [old, far, near] = await openSessions(node.store, 'ana', 3)
    if (!old || !far || !near) throw new Error('no sessions')
    await snapshot(server)
    const oldToken = tokenOf(await rotate(node, old))
    clock.advance(25_000)
    let session = far
    for (let i = 0; i < 9; i += 1) session = await rotate(node, session)
    await loseWrites(server)
    t.match(await present(node, oldToken), { outcome: 'ahead', session: { generation: 2 } }, 'issued over 10 s before')
    t.match(await present(node, tokenOf(session)), { outcome: 'ahead' }, 'nine generations')
    t.match(await present(node, { ...tokenOf(session), generation: 10 }), { outcome: 'healed', lostGenerations: 8 })
    const future = { ...tokenOf(near), generation: 3, issuedAtSeconds: Math.floor(clock.nowMs / 1000) + 60 }
    t.match(await present(node, future), { outcome: 'ahead' }, 'issued after the loss')
    t.match(await present(node, tokenOf(old)), { outcome: 'rotated' }, 'the session itself lives')
  },
)

t.test(
  'what may be lost was written from 10 s before the primary was last heard to 10 s after: no second more',
  async (t) => {
    const clock = new Clock()
    const { server, node } = await open(t, { clock: clock.now })
    const opened = await openSessions(node.store, 'ana', 4)
    clock.advance(1_000)
    const sessions = await Promise.all(opened.map((session) => rotate(node, session)))
    await snapshot(server)
    clock.advance(60_500)
    await loseWrites(server)
    const [early, healed] = sessions
    if (!early || !healed) throw new Error('no sessions')
    t.match(await present(node, tokenOf(early)), { outcome: 'rotated' })
    const epochs = String(await send(server, ['HVALS', 'c:epochs'])).split(',')
    const [, from = 0, until = 0] =
      epochs.map((epoch) => epoch.split(' ').map(Number)).find(([began = 0]) => began) ?? []
    t.equal(until - from, 20_000)
    const seconds = { first: Math.floor(from / 1000), last: Math.floor(until / 1000) }
    const issued = [seconds.first - 1, seconds.first, seconds.last, seconds.last + 1]
    const outcomes = issued.map(async (issuedAtSeconds, i) => {
      const sid = sessions[i]?.sid ?? ''
      return (await present(node, { sid, generation: 6, issuedAtSeconds })).outcome
    })
    t.strictSame(await Promise.all(outcomes), ['ahead', 'healed', 'healed', 'ahead'])
    const rotatedAt = [clock.nowMs, seconds.first * 1000, healed.rotatedAt[0]]
    t.match(await node.store.sessions.read(healed.sid), { generation: 7, rotatedAt }, 'and is as old as it says')
  },
)

t.test('what a node ended is told by itself, though it reads no log, and by one that only read of it', async (t) => {
  const server = await startRedis(t)
  const deaf = await openRedisStore({ url: server.url, loadSubjectTag: async () => tagOf, ...options })
  const listening = await openNode(t, server.url, options)
  const [own, heard] = await openSessions(deaf, 'ana', 2)
  if (!own || !heard) throw new Error('no sessions')
  await snapshot(server)
  await deaf.sessions.end(heard.sid, 'logout')
  await eventually('the other has read of it', () => listening.heard.has(heard.sid))
  await deaf.close()
  await loseWrites(server)
  t.match(await present(listening, tokenOf(heard)), { outcome: 'revoked', reason: 'logout' })
  await listening.store.close()

  const alone = await openRedisStore({ url: server.url, loadSubjectTag: async () => tagOf, ...options })
  t.teardown(() => alone.close())
  await alone.sessions.end(own.sid, 'logout')
  await loseWrites(server)
  const node: Node = { store: alone, heard: new Map(), reloads: 0, notices: [] }
  t.match(await present(node, tokenOf(own)), { outcome: 'revoked', reason: 'logout' })
})

t.test('what ended everyone, a subject, a token or a key is told as well', async (t) => {
  const { server, node } = await open(t)
  const [session] = await openSessions(node.store, 'ana', 1)
  if (!session) throw new Error('no session')
  await snapshot(server)
  await node.store.sessions.revoke({ kind: 'token', jti: 'a token' })
  await node.store.sessions.revoke({ kind: 'signing_key', kid: 'a key' })
  await node.store.sessions.endEveryone('revoked_by_admin')
  await loseWrites(server)
  t.match(await present(node, tokenOf(session)), { outcome: 'revoked', reason: 'revoked_by_admin' })
  const { revocations } = await node.store.sessions.readRevocations({ sinceMs: 0 }, 0)
  t.strictSame(revocations.map(({ kind }) => kind).toSorted(), ['everyone', 'signing_key', 'token'])
})

t.test('a login that was lost cannot be healed; what it was given is refused all the same', async (t) => {
  const { server, node } = await open(t)
  await openSessions(node.store, 'ana', 1)
  await snapshot(server)
  const created = await login(node.store, 'ana0', 7)
  await node.store.sessions.end(created.sid, 'logout')
  await loseWrites(server)
  t.match(
    await present(node, tokenOf(created)),
    { outcome: 'unknown' },
    'its roles are in no token: it cannot be healed',
  )
  await eventually('the log has its end again', async () => {
    const { revocations } = await node.store.sessions.readRevocations({ sinceMs: 0 }, 0)
    return revocations.some((revocation) => revocation.kind === 'session' && revocation.sid === created.sid)
  })
})
