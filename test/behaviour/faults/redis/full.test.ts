// A Redis without memory left (noeviction): nobody signs in, and whatever protects works all the same. Ending frees memory.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { Store } from '../../../../plugins/session-store/port/store.ts'
import { type RedisServer, startRedis } from '../../../support/redis/server.ts'
import { send, startCluster } from '../../../support/redis/topology.ts'
import { login, openNode, openSessions, tokenOf } from '../support/lost-writes.ts'

/** Fills a server until it takes nothing more. */
async function fill(server: RedisServer): Promise<void> {
  await send(server, ['CONFIG', 'SET', 'maxmemory', '12mb'])
  const redis = new Redis(server.port, '127.0.0.1', { protocol: 2, disableClientInfo: true })
  for (const size of [100_000, 1_000, 10]) {
    for (let i = 0, isFull = false; !isFull; i += 1) {
      const args = [`filler ${size} ${i}`, 'x'.repeat(size)]
      isFull = await redis.call('SET', args).then(
        () => false,
        // In a Cluster two of three names belong to other servers.
        (error: Error) => /OOM/.test(error.message),
      )
    }
  }
  redis.disconnect()
  // What connections free and take again makes no room.
  await send(server, ['CONFIG', 'SET', 'maxmemory', '6mb'])
}

// What is tested here is not the deadline.
const deadlineMs = 5_000
const isFull = { name: 'StoreUnavailable', message: /OOM/ }

async function assertProtects(t: Test, store: Store, fillAll: () => Promise<void>) {
  const [one, other, third, last] = await openSessions(store, 'u', 4)
  if (!one || !other || !third || !last) throw new Error('no sessions')
  await fillAll()
  await t.rejects(login(store, 'u0', 99), isFull, 'nobody signs in')
  t.match(await store.sessions.rotate(tokenOf(one), 0), { outcome: 'rotated' }, 'a rotation makes nothing larger')
  const reused = await store.sessions.rotate({ ...tokenOf(one), generation: one.generation - 1 }, 0)
  t.match(reused, { outcome: 'reused', revocations: [{ sid: one.sid }] }, 'reuse ends the session')
  t.match(await store.sessions.end(other.sid, 'logout'), { revocations: [{ sid: other.sid }] })
  t.ok(await store.users.change('u0', { disabled: true }))
  t.match((await store.sessions.endAll('u0', 'user_disabled')).revocations.length, 2)
  await store.sessions.revoke({ kind: 'token', jti: 'j'.repeat(22) })
  await store.sessions.endEveryone('revoked_by_admin')
  const { revocations } = await store.sessions.readRevocations({ sinceMs: 0 }, 0)
  t.strictSame(
    revocations.map(({ kind }) => kind),
    ['session', 'session', 'session', 'session', 'subject', 'token', 'everyone'],
  )
}

t.test('a full Redis: sessions are rotated and ended, users disabled, tokens revoked; nobody signs in', async (t) => {
  const server = await startRedis(t)
  const { store } = await openNode(t, server.url, { deadlineMs })
  await assertProtects(t, store, () => fill(server))
  await send(server, ['CONFIG', 'SET', 'maxmemory', '0'])
  await store.users.change('u0', { disabled: false })
})

t.test('a full Redis that a gateway meets at its start: it says so, and ends what must end', async (t) => {
  const server = await startRedis(t)
  const { store } = await openNode(t, server.url, { deadlineMs })
  const [session] = await openSessions(store, 'u', 1)
  if (!session) throw new Error('no session')
  await fill(server)
  const late = await openNode(t, server.url, { deadlineMs })
  t.match(await late.store.sessions.end(session.sid, 'logout'), { revocations: [{ sid: session.sid }] })
  await t.rejects(late.store.ping(), isFull)
})

t.test('a full Cluster: the same', async (t) => {
  const { url, primaries } = await startCluster(t)
  const { store } = await openNode(t, url, { deadlineMs })
  await assertProtects(t, store, async () => {
    for (const primary of primaries) await fill(primary)
  })
})
