// Redis holds another store than the one that a running node knows: emptied, replaced behind its address, or with other keys. Every
// node notices within its next look, answers nothing from memory, and goes on with what is there.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { deriveSecrets } from '../../../../../plugins/keys/secrets.ts'
import { loadSubjectTagKey, subjectTagKeyId } from '../../../../../plugins/keys/subject-tag.ts'
import type { StoreNews } from '../../../../../plugins/session-store/port/condition.ts'
import type { KeyStore, Store } from '../../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../../plugins/session-store/redis/index.ts'
import { subjectTag } from '../../../../../plugins/session-store/refresh-token.ts'
import { eventually } from '../../../../support/eventually.ts'
import { startRedis } from '../../../../support/redis/server.ts'
import { send } from '../../../../support/redis/topology.ts'
import { startProxy } from '../../../../support/tcp-proxy.ts'

const secrets = deriveSecrets(['a secret of the test, long enough'])

async function openNode(t: Test, url: string, ofSecrets = secrets, lookEveryMs = 200) {
  let tagOf: (sub: string) => string = () => ''
  const loadSubjectTag = async (keys: KeyStore) => {
    const key = await loadSubjectTagKey(keys, ofSecrets)
    tagOf = (sub) => subjectTag(sub, key)
    return tagOf
  }
  const store = await openRedisStore({ url, loadSubjectTag, lookEveryMs })
  t.teardown(() => store.close())
  const news: StoreNews[] = []
  store.condition.onNews((one) => news.push(one))
  const said = (kind: StoreNews['kind']) => news.filter((one) => one.kind === kind).map(({ sentence }) => sentence)
  return { store, said, tag: (sub: string) => tagOf(sub) }
}

type Node = Awaited<ReturnType<typeof openNode>>

async function signIn({ store, tag }: Node, sub = 'ana'): Promise<string> {
  await store.users.add({ sub, passwordHash: 'x', roles: [], scope: '' })
  const sid = `${tag(sub)}000000000000000000000001`
  const lives = { idleTtlSeconds: 3600, absoluteTtlSeconds: 7200, maxSessions: 100, userRevision: 1 }
  const fresh = { sid, sub, ...lives, roles: [], scope: '', device: '', ip: '192.0.2.7', amr: ['pwd'] }
  const { outcome } = await store.sessions.create(fresh)
  if (outcome !== 'created') throw new Error(outcome)
  return sid
}

const ended = async (store: Store) => (await store.sessions.endAll('ana', 'revoked_by_admin')).revocations.length

/** What was asked while the store may have been another: refused, or the truth; never a 0 about the old one. */
async function endedOrRefused(store: Store): Promise<number | 'refused'> {
  return ended(store).catch((error: Error) => {
    if (error.name !== 'StoreUnavailable') throw error
    return 'refused' as const
  })
}

t.test('an emptied Redis: both nodes read everything anew, with an alarm, and agree on every subject', async (t) => {
  const { url, ...server } = await startRedis(t)
  const [one, other] = [await openNode(t, url), await openNode(t, url)]
  await signIn(one)
  const tagBefore = one.tag('ana')
  await send({ url, ...server }, ['FLUSHALL'])
  t.equal(await endedOrRefused(one.store), 'refused', 'not 0: the session of before may be anywhere')
  const isReplaced = ({ said }: Node) => said('replaced').length === 1
  await eventually('both have noticed', () => isReplaced(one) && isReplaced(other))
  t.match(one.said('replaced'), [/another store than before: it was emptied/])
  t.not(one.tag('ana'), tagBefore)
  // A third that starts now, as the command line does, finds the same store.
  const third = await openNode(t, url)
  t.strictSame([other.tag('ana'), third.tag('ana')], [one.tag('ana'), one.tag('ana')])
  await eventually('a node serves', () =>
    one.store.ping().then(
      () => true,
      () => false,
    ),
  )
  await signIn(third)
  t.match(await one.store.users.find('ana'), { sub: 'ana' }, 'a user that another node added is found')
  t.equal(await ended(one.store), 1, 'and its session is ended from any node')
  t.equal(await ended(other.store), 0)
  t.strictSame([one.said('replaced').length, other.said('replaced').length], [1, 1])
})

t.test('what is not found is never said of a store that was replaced since the last look', async (t) => {
  const { url, ...server } = await startRedis(t)
  // It looks once in ten minutes: only the verb itself can notice.
  const { store, ...node } = await openNode(t, url, secrets, 600_000)
  const sid = await signIn({ store, ...node })
  t.strictSame(await store.sessions.end(`${sid.slice(0, 8)}999999999999999999999999`, 'logout'), { revocations: [] })
  await send({ url, ...server }, ['FLUSHALL'])
  const refused = { name: 'StoreUnavailable', message: /another store than before/ }
  await t.rejects(store.sessions.rotate({ sid, generation: 1, issuedAtSeconds: 0 }, 0), refused, 'no invalid_grant')
  await t.rejects(store.sessions.end(sid, 'logout'), refused)
  await t.rejects(store.sessions.read(sid), refused)
  await t.rejects(ended(store), refused)
})

t.test('a verb that meets another store lets no other verb read or write it before it was looked at', async (t) => {
  const { url, ...server } = await startRedis(t)
  const { store, ...node } = await openNode(t, url, secrets, 600_000)
  const sid = await signIn({ store, ...node })
  await send({ url, ...server }, ['FLUSHALL'])
  await t.rejects(store.sessions.read(sid), { name: 'StoreUnavailable' })
  const refused = { name: 'StoreUnavailable', message: /another store than before/ }
  await t.rejects(store.users.find('ana'), refused, 'not: there is no such user')
  await t.rejects(store.users.add({ sub: 'bo', passwordHash: 'x', roles: [], scope: '' }), refused)
  await t.rejects(store.ping(), refused)
})

t.test(
  'users of before are not told to a Redis that came back empty as if it had lost them in a failover',
  async (t) => {
    const server = await startRedis(t)
    const node = await openNode(t, server.url)
    await signIn(node)
    await server.kill()
    await server.start()
    await eventually('it is read anew', () => node.said('replaced').length === 1)
    await eventually('and has been told what it lacks', () =>
      node.said('notice').some((one) => /new Redis primary/.test(one)),
    )
    t.equal(await node.store.users.find('ana'), undefined)
    t.equal(await node.store.users.count(), 0)
    t.equal(await send(server, ['EXISTS', `c:{${node.tag('ana')}}:ana`]), 0)
    t.strictSame(node.said('forged'), [])
  },
)

t.test('while another store is read anew, nothing is answered from it', async (t) => {
  const { url, ...server } = await startRedis(t)
  let reading = Promise.resolve()
  let isReading = false
  const loadSubjectTag = async (keys: KeyStore) => {
    isReading = true
    await reading
    const key = await loadSubjectTagKey(keys, secrets)
    return (sub: string) => subjectTag(sub, key)
  }
  const store = await openRedisStore({ url, loadSubjectTag, lookEveryMs: 200 })
  t.teardown(() => store.close())
  const { promise, resolve: goOn } = Promise.withResolvers<void>()
  reading = promise
  isReading = false
  await send({ url, ...server }, ['FLUSHALL'])
  await eventually('it is read anew', () => isReading)
  await t.rejects(store.users.find('ana'), { name: 'StoreUnavailable', message: /is being read anew/ })
  await t.rejects(store.ping(), { name: 'StoreUnavailable' })
  goOn()
  await eventually('and served from then', () =>
    store.ping().then(
      () => true,
      () => false,
    ),
  )
})

t.test(
  'another Redis behind the address: one with keys of another secret is refused with a sentence until it is gone',
  async (t) => {
    const [ours, theirs] = [await startRedis(t), await startRedis(t)]
    await openNode(t, theirs.url, deriveSecrets(['another secret of the test, long enough']))
    const address = await startProxy(t, ours.port)
    const node = await openNode(t, `redis://127.0.0.1:${address.port}`)
    const sid = await signIn(node)
    address.leadTo(theirs.port)
    address.reset()
    await eventually('the node refuses it', () => node.said('alarm').length > 0)
    t.match(node.said('alarm'), [/opens with none of the secrets of CARDEA_SECRET/])
    t.strictSame(node.store.condition.topics, ['store_unreadable'])
    await t.rejects(node.store.sessions.read(sid), { name: 'StoreUnavailable', message: /opens with none/ })
    await t.rejects(node.store.ping(), { name: 'StoreUnavailable' })
    address.leadTo(ours.port)
    address.reset()
    await eventually('it is used again', () =>
      node.store.ping().then(
        () => true,
        () => false,
      ),
    )
    t.match(await node.store.sessions.read(sid), { sid })
    t.strictSame([node.said('replaced'), node.store.condition.topics], [[], []], 'it was the same store all the time')
  },
)

t.test('the key of subjects’ tags alone: gone it is a refusal, another one is another store', async (t) => {
  const { url } = await startRedis(t)
  const node = await openNode(t, url)
  const redis = new Redis(url, { protocol: 2, disableClientInfo: true })
  t.teardown(() => redis.disconnect())
  const kept = await redis.hget('c:keys', subjectTagKeyId)
  await redis.hdel('c:keys', subjectTagKeyId)
  await eventually('the node refuses it', () => node.said('alarm').length === 1)
  t.match(node.said('alarm'), [/key of subjects’ tags is gone/])
  t.equal(await redis.hlen('c:keys'), 0, 'it made no other one')
  await redis.hset('c:keys', subjectTagKeyId, String(kept))
  await eventually('it serves again', () =>
    node.store.ping().then(
      () => true,
      () => false,
    ),
  )
  t.strictSame(node.said('replaced'), [])
  const other = await startRedis(t)
  await openNode(t, other.url)
  const strange = String(await send(other, ['HGET', 'c:keys', subjectTagKeyId]))
  await redis.hset('c:keys', subjectTagKeyId, strange)
  await eventually('the node reads everything anew', () => node.said('replaced').length === 1)
})

t.test('signing keys that another node made or removed are read at the next look', async (t) => {
  const { url } = await startRedis(t)
  const [one, other] = [await openNode(t, url), await openNode(t, url)]
  await one.store.keys.add({ id: 'k', use: 'signing', alg: 'ES256', createdAt: 1, activeFrom: 1, sealed: 'x' })
  await eventually('the other is told', () => other.said('keys_changed').length > 0)
  t.strictSame([one.said('replaced'), other.said('replaced')], [[], []])
})

t.test('records of another layout, or of none, are refused with a sentence, at start and while running', async (t) => {
  const { url } = await startRedis(t)
  const node = await openNode(t, url)
  const redis = new Redis(url, { protocol: 2, disableClientInfo: true })
  t.teardown(() => redis.disconnect())
  const ours = String(await redis.get('c:store'))
  t.match(ours, /^2 [\w-]{22}$/)
  await redis.set('c:store', `99${ours.slice(1)}`)
  await eventually('a running node refuses it', () => node.said('alarm').length === 1)
  t.match(node.said('alarm'), [/layout 99, and this version of Cardea reads layout 2/])
  await t.rejects(openNode(t, url), { message: /layout 99/ })
  await redis.set('c:store', 'something else')
  await t.rejects(openNode(t, url), { message: /none that Cardea wrote/ })
  await redis.del('c:store')
  await eventually('of the running node only this value was lost', async () => (await redis.get('c:store')) === ours)
  await eventually('it serves', () =>
    node.store.ping().then(
      () => true,
      () => false,
    ),
  )
  node.store.close()
  await redis.del('c:store')
  await t.rejects(openNode(t, url), { message: /does not say in which layout/ })
})

t.test(
  'a memory policy that is changed while running is an alarm, a word in /readyz, and over when it is mended',
  async (t) => {
    const server = await startRedis(t)
    const node = await openNode(t, server.url)
    await send(server, ['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'])
    await eventually('it is noticed', () => node.said('alarm').length === 1)
    t.match(node.said('alarm'), [/may evict keys \(maxmemory-policy allkeys-lru\)/])
    t.strictSame(node.store.condition.topics, ['memory_policy'])
    await node.store.ping()
    await send(server, ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction'])
    await eventually('it is over', () => node.store.condition.topics.length === 0)
  },
)
