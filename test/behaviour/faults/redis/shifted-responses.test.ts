// A wire to Redis on which a response is lost or one too many comes: from then on everybody would get what is another's. No
// verb takes it; the connection is given up, an alarm says so, and the next one serves.
import t, { type Test } from 'tap'
import type { StoreNews } from '../../../../plugins/session-store/port/condition.ts'
import { type Store, StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import { parseRedisUrl } from '../../../../plugins/session-store/redis/connection/address.ts'
import { RedisLink } from '../../../../plugins/session-store/redis/connection/link.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { scripts } from '../../../../plugins/session-store/redis/scripts.ts'
import { eventually } from '../../../support/eventually.ts'
import { startRedis } from '../../../support/redis/server.ts'
import { startCluster } from '../../../support/redis/topology.ts'
import { startProxy, type TcpProxy } from '../../../support/tcp-proxy.ts'

const sids = ['AAAAAAAA000000000000000000000001', 'AAAAAAAA000000000000000000000002'] as const

interface Scene {
  store: Store
  proxy: TcpProxy
  alarms: string[]
}

/** A store behind a wire, with two sessions in it. */
async function openScene(t: Test): Promise<Scene> {
  const proxy = await startProxy(t, (await startRedis(t)).port)
  const loadSubjectTag = async () => () => 'AAAAAAAA'
  const url = `redis://127.0.0.1:${proxy.port}`
  // It looks at its server at start only: what else it says are the verbs of the test.
  const store = await openRedisStore({ url, loadSubjectTag, deadlineMs: 5_000, lookEveryMs: 600_000 })
  t.teardown(() => store.close())
  const alarms: string[] = []
  store.condition.onNews(({ kind, sentence }: StoreNews) => void (kind === 'alarm' && alarms.push(sentence)))
  await store.users.add({ sub: 'ana', passwordHash: 'x', roles: ['reader'], scope: '' })
  const lives = { idleTtlSeconds: 3600, absoluteTtlSeconds: 7200, maxSessions: 100, userRevision: 1 }
  for (const sid of sids) {
    const more = { roles: ['reader'], scope: '', device: 'test', ip: '192.0.2.7', amr: ['pwd'] }
    await store.sessions.create({ sid, sub: 'ana', ...lives, ...more })
  }
  return { store, proxy, alarms }
}

const rotate = ({ store }: Scene, sid: string, generation = 1) =>
  store.sessions.rotate({ sid, generation, issuedAtSeconds: 0 }, 10_000)

/** From now on whoever asks gets the response to what was asked next. */
async function loseOne({ store, proxy }: Scene): Promise<void> {
  proxy.losesResponseTo = 'c:alive'
  void store.ping().catch(() => undefined)
  await eventually('a response is lost', () => proxy.lost === 1)
}

async function assertHeals(t: Test, scene: Scene): Promise<void> {
  await eventually('the next connection serves', () =>
    scene.store.ping().then(
      () => true,
      () => false,
    ),
  )
  for (const sid of sids) {
    const outcome = await rotate(scene, sid)
    t.match(outcome, { session: { sid, generation: 2 } })
    t.match(outcome.outcome, /rotated|retried/)
  }
}

t.test('after a lost response nobody gets the session of another', async (t) => {
  const scene = await openScene(t)
  await loseOne(scene)
  const both = await Promise.allSettled(sids.map((sid) => rotate(scene, sid)))
  for (const result of both) t.match(result, { status: 'rejected', reason: StoreUnavailable })
  t.equal(scene.alarms.length, 1)
  t.match(scene.alarms[0], /the one to another call/)
  await assertHeals(t, scene)
})

t.test('nor does one verb get what another said of the same session', async (t) => {
  const scene = await openScene(t)
  await loseOne(scene)
  const both = await Promise.allSettled([1, 7].map((generation) => rotate(scene, sids[0], generation)))
  for (const result of both) t.match(result, { status: 'rejected', reason: StoreUnavailable })
  await assertHeals(t, scene)
})

t.test('nor is a session found to be unknown, or ended, by what was said of a key without session', async (t) => {
  const scene = await openScene(t)
  await loseOne(scene)
  const { sessions } = scene.store
  const verbs = [sessions.read(sids[0]), sessions.list('ana'), sessions.end(sids[1], 'logout'), scene.store.ping()]
  const [read, list] = await Promise.allSettled(verbs)
  for (const result of [read, list]) t.match(result, { status: 'rejected', reason: StoreUnavailable })
})

t.test('a response too many is taken by nobody', async (t) => {
  const scene = await openScene(t)
  const { proxy } = scene
  proxy.delayMs = 300
  const roundTrips = proxy.roundTrips
  const underWay = rotate(scene, sids[0]).then(
    () => 'rotated',
    (error: unknown) => error,
  )
  await eventually('it was sent', () => proxy.roundTrips > roundTrips)
  proxy.inject('+OK\r\n')
  t.ok((await underWay) instanceof StoreUnavailable)
  proxy.delayMs = 0
  await assertHeals(t, scene)
})

t.test('a wire that does so again and again is one alarm a minute', async (t) => {
  const scene = await openScene(t)
  for (let i = 1; i <= 3; i += 1) {
    scene.proxy.lost = 0
    await loseOne(scene)
    await Promise.allSettled(sids.map((sid) => rotate(scene, sid)))
    await assertHeals(t, scene)
  }
  t.equal(scene.alarms.length, 1)
})

t.test('in a Cluster, too, the connection is given up, and the next one serves', async (t) => {
  const { url } = await startCluster(t)
  let told = 0
  const onMisled = () => {
    told += 1
  }
  const link = new RedisLink(parseRedisUrl(url), { deadlineMs: 5_000, commandLimit: 100, onMisled })
  t.teardown(() => link.close())
  await link.open(5_000)
  const text = "return { 'another call', 1 }"
  await t.rejects(link.run({ name: 'another', text, sha1: '0'.repeat(40) }, ['c:x'], []), StoreUnavailable)
  t.equal(told, 1)
  await eventually('the next connection serves', () =>
    link.run(scripts.heartbeat, ['c:{x}'], ['node', `${Date.now()} 1`, 1000]).then(
      () => true,
      () => false,
    ),
  )
})
