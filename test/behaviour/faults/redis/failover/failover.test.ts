// Redis with more than one server: the store contract on a Cluster, and a primary that is killed under refresh load. What
// replication lost is counted and said (making up for it is another matter); what was not rotated lately must be there.
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Store } from '../../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../../plugins/session-store/redis/index.ts'
import { Clock, storeContract } from '../../../../plugins/session-store/contract.ts'
import { eventually } from '../../../../support/eventually.ts'
import { newPrefix } from '../../../../support/redis/server.ts'
import { send, startCluster, startSentinels, until } from '../../../../support/redis/topology.ts'
import { grow, startLoad } from '../../support/refresh-load.ts'

const cluster = await startCluster(t)

storeContract(
  'Redis Cluster',
  (clock) =>
    openRedisStore({
      url: cluster.url,
      prefix: newPrefix(),
      clock: clock.now,
      loadSubjectTag: async () => contractTagOf,
      deadlineMs: 10_000,
    }),
  new Clock(),
)

// The contract's sids have one tag; what counts attempts is told apart by it.
function contractTagOf(text: string): string {
  return text.startsWith('try ') ? createHash('sha256').update(text).digest('base64url').slice(0, 8) : 'AAAAAAAA'
}

/** Subjects in many slots. */
function tagOf(sub: string): string {
  return sub.padEnd(8, '-')
}

async function openLoaded(t: Test, url: string, count: number): Promise<{ store: Store; sids: string[] }> {
  const store = await openRedisStore({ url, prefix: newPrefix(), loadSubjectTag: async () => tagOf })
  t.teardown(() => store.close())
  const sids = await Promise.all(Array.from({ length: count }, (_, i) => login(store, `u${i}`)))
  return { store, sids }
}

async function login(store: Store, sub: string): Promise<string> {
  await store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
  const sid = `${tagOf(sub)}000000000000000000000001`
  const common = { idleTtlSeconds: 3600, absoluteTtlSeconds: 7200, roles: [], scope: '', amr: ['pwd'] }
  const fresh = { sid, sub, device: '', ip: '192.0.2.7', ...common, maxSessions: 100, userRevision: 1 }
  const created = await store.sessions.create(fresh)
  if (created.outcome !== 'created') throw new Error(created.outcome)
  return sid
}

t.test('Sentinel: a killed primary is replaced; refreshes go on within two seconds of the promotion', async (t) => {
  const { url, primary, replica } = await startSentinels(t)
  const { store, sids } = await openLoaded(t, url, 40)
  t.match(store.description, /gw by sentinels/)
  const [quiet, busy] = [sids.slice(0, 20), sids.slice(20)]
  for (const sid of quiet) await store.sessions.rotate({ sid, generation: 1, issuedAtSeconds: 0 }, 0)
  const quietSince = performance.now()
  const load = startLoad(store, busy)
  await grow(load, 200)
  await eventually('a second has passed since', () => performance.now() - quietSince > 1000)
  await primary.kill()
  await until(replica, ['ROLE'], /^master/)
  const promotedAt = performance.now()
  await grow(load, 1)
  const recoveredMs = performance.now() - promotedAt
  await grow(load, 200)
  await load.stop()
  t.ok(recoveredMs <= 2000, `first refresh ${Math.round(recoveredMs)} ms after the promotion`)
  t.strictSame(load.errors, [], 'nothing but StoreUnavailable')
  t.ok(load.slowestMs < 1000, `no verb hung: ${Math.round(load.slowestMs)} ms at most`)
  for (const sid of quiet) t.match(await store.sessions.read(sid), { generation: 2 }, 'no session lost')
  t.comment(
    `${load.granted} granted, ${load.refused} refused, ${load.lost} rotations lost by replication, recovered ${Math.round(recoveredMs)} ms after the promotion`,
  )
})

t.test('Cluster: a killed primary is replaced; the slots of the others are served all the while', async (t) => {
  const { store, sids } = await openLoaded(t, cluster.url, 60)
  const [quiet, busy] = [sids.slice(0, 30), sids.slice(30)]
  for (const sid of quiet) await store.sessions.rotate({ sid, generation: 1, issuedAtSeconds: 0 }, 0)
  const quietSince = performance.now()
  const load = startLoad(store, busy)
  await grow(load, 300)
  await eventually('a second has passed since', () => performance.now() - quietSince > 1000)
  const [victim, heir] = [cluster.primaries[0], cluster.replicas[0]]
  if (!victim || !heir) throw new Error('no cluster')
  await victim.kill()
  await until(heir, ['ROLE'], /^master/)
  const promotedAt = performance.now()
  // Whoever's slot moved has been refused until now: that every client is served again is what counts.
  await serveAll(store, sids)
  const recoveredMs = performance.now() - promotedAt
  await grow(load, 300)
  await load.stop()
  t.ok(recoveredMs <= 2000, `every slot is served ${Math.round(recoveredMs)} ms after the promotion`)
  t.strictSame(load.errors, [], 'nothing but StoreUnavailable')
  t.ok(load.refused > 0, 'the killed primary was missed')
  t.ok(load.slowestMs < 1000, `no verb hung: ${Math.round(load.slowestMs)} ms at most`)
  for (const sid of quiet) t.match(await store.sessions.read(sid), { generation: 2 }, 'no session lost')
  t.comment(
    `${load.granted} granted, ${load.refused} refused, ${load.lost} rotations lost by replication, recovered ${Math.round(recoveredMs)} ms after the promotion`,
  )
  await victim.start()
  await until(victim, ['INFO', 'replication'], /master_link_status:up/)
})

async function serveAll({ sessions }: Store, sids: readonly string[]): Promise<void> {
  for (const sid of sids) {
    await eventually(`${sid} is served`, async () => (await sessions.read(sid).catch(() => undefined)) !== undefined)
  }
}

t.test('Cluster: slots that move under load cost no error', async (t) => {
  const { store, sids } = await openLoaded(t, cluster.url, 30)
  const load = startLoad(store, sids)
  await grow(load, 100)
  const [from, to] = [cluster.primaries[1], cluster.primaries[2]]
  if (!from || !to) throw new Error('no cluster')
  const [fromId, toId] = [String(await send(from, ['CLUSTER', 'MYID'])), String(await send(to, ['CLUSTER', 'MYID']))]
  const slots = await Promise.all(sids.map((sid) => send(from, ['CLUSTER', 'KEYSLOT', `{${sid.slice(0, 8)}}`])))
  const owned = await Promise.all(slots.map((slot) => send(from, ['CLUSTER', 'COUNTKEYSINSLOT', `${slot}`])))
  const moving = new Set(slots.filter((_, i) => Number(owned[i]) > 0).map(String))
  for (const slot of moving) {
    await send(to, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId])
    await send(from, ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId])
    // Boundary: GETKEYSINSLOT answers names.
    const keys = (await send(from, ['CLUSTER', 'GETKEYSINSLOT', slot, '1000'])) as string[]
    // One by one, so that the load meets a slot that is half here and half there.
    for (const key of keys) await send(from, ['MIGRATE', '127.0.0.1', `${to.port}`, key, '0', '5000'])
    for (const server of [to, from]) await send(server, ['CLUSTER', 'SETSLOT', slot, 'NODE', toId])
  }
  await grow(load, 100)
  await load.stop()
  t.ok(moving.size > 3, `${moving.size} slots moved`)
  t.strictSame(load.errors, [])
  t.equal(load.refused, 0, `no refresh was refused: ${load.lastError}`)
  for (const sid of sids) t.ok(await store.sessions.read(sid))
})
