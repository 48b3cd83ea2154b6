// The Redis adapter on a real server: the store contract, also as the user of the ACL rule, and what only Redis has:
// sizes, time-to-live, round trips and the exactness of names.
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { Store } from '../../../../plugins/session-store/port/store.ts'
import { keyTombstoneMs } from '../../../../plugins/session-store/redis/failover/recent-revocations.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../../plugins/session-store/redis/index.ts'
import { RedisNames } from '../../../../plugins/session-store/redis/key-names.ts'
import { aclRule } from '../../../../plugins/session-store/redis/start/checks.ts'
import { mostUnproven } from '../../../../plugins/session-store/rotation.ts'
import { newPrefix, sharedRedis, startRedis } from '../../../support/redis/server.ts'
import { startProxy } from '../../../support/tcp-proxy.ts'
import { absoluteTtlSeconds, ContractScene, graceMs, ofSessions } from '../contract/scene.ts'
import { addManyUsers } from '../contract/sessions/listing.ts'
import { Clock, storeContract } from '../contract.ts'

const url = await sharedRedis(t)
// Every sid of the contract begins so, whoever it belongs to; counted attempts need a hash that tells them apart.
const tagOf = (text: string) =>
  text.startsWith('try ') ? createHash('md5').update(text).digest('base64url').slice(0, 8) : 'AAAAAAAA'
const loadSubjectTag = async () => tagOf
// What is tested here is not the deadline (test/behaviour/faults/redis/link.test.ts), and other tests keep the machine busy.
const deadlineMs = 10_000

function open(options: Partial<RedisStoreOptions> = {}): Promise<Store> {
  return openRedisStore({ url, prefix: newPrefix(), loadSubjectTag, deadlineMs, ...options })
}

function connectBeside(t: Pick<Test, 'teardown'>, to = url): Redis {
  const redis = new Redis(to, { protocol: 2, disableClientInfo: true })
  t.teardown(() => redis.disconnect())
  return redis
}

/** A user of the ACL that may do what docs/redis.md says, and nothing else. */
async function addUser(t: Pick<Test, 'teardown'>): Promise<string> {
  const admin = connectBeside(t)
  await admin.call('ACL', 'SETUSER', 'cardea', 'reset', 'on', '>open sesame', ...aclRule.split(' '))
  t.teardown(() => admin.call('ACL', 'DELUSER', 'cardea'))
  const address = new URL(url)
  address.username = 'cardea'
  address.password = encodeURIComponent('open sesame')
  return String(address)
}

const restrictedUrl = await addUser(t)

storeContract('Redis', (clock) => open({ clock: clock.now }), new Clock())
storeContract(
  'Redis, as the user of the ACL rule',
  (clock) => open({ url: restrictedUrl, clock: clock.now }),
  new Clock(),
)

t.test('the user of the ACL rule can do nothing else', async (t) => {
  const redis = connectBeside(t, restrictedUrl)
  const forbidden = [
    ['KEYS', '*'],
    ['SCAN', '0'],
    ['FLUSHALL'],
    ['CONFIG', 'GET', 'maxmemory'],
    ['DEL', 'c:x'],
    ['GET', 'another application'],
    ['EVAL', "return redis.call('GET', KEYS[1])", '1', 'another application'],
    ['EVAL', "return redis.call('FLUSHALL')", '0'],
    ['ACL', 'LIST'],
    ['PUBLISH', 'x', 'y'],
  ]
  for (const [command = '', ...args] of forbidden) {
    await t.rejects(
      redis.call(command, args),
      { message: /NOPERM|permission|can't (run|access)/ },
      `${command} ${args.join(' ')}`,
    )
  }
})

async function openScene(t: Test, options: Partial<RedisStoreOptions> = {}): Promise<ContractScene> {
  const clock = new Clock()
  const store = await open({ clock: clock.now, ...options })
  t.teardown(() => store.close())
  await store.users.add({ sub: 'ana', passwordHash: 'x', roles: ['reader'], scope: '' })
  return new ContractScene(store, clock)
}

t.test('a script that is sent twice answers as the first time, or harmlessly', async (t) => {
  const scene = await openScene(t)
  const fresh = scene.newSession()
  const created = await scene.store.sessions.create(fresh)
  t.strictSame(await scene.store.sessions.create(fresh), created, 'create')
  const session = await scene.login()
  const rotated = await scene.advanceGeneration(session)
  t.strictSame(await scene.rotate(session), { outcome: 'retried', session: rotated, why: 'concurrent' }, 'rotate')
  await scene.deliver(rotated)
  await scene.deliver(rotated)
  t.match(await scene.read(session), { provenGeneration: 2, generation: 2 }, 'deliver')
  t.equal((await scene.store.sessions.end(session.sid, 'logout')).revocations.length, 1)
  t.strictSame(await scene.store.sessions.end(session.sid, 'logout'), { revocations: [] }, 'end')
  t.equal((await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)).revocations.length, 1)
})

t.test('every verb is one round trip', async (t) => {
  const { port } = await startRedis(t)
  const proxy = await startProxy(t, port)
  const store = await open({ url: `redis://127.0.0.1:${proxy.port}` })
  t.teardown(() => store.close())
  await store.users.add({ sub: 'ana', passwordHash: 'x', roles: [], scope: '' })
  const scene = new ContractScene(store, new Clock())
  // The first use of a script sends its text.
  const session = await scene.login()
  await scene.deliver(session)
  const sibling = await scene.login()
  const taken = { name: 'n', limit: { max: 3, windowMs: 60_000 }, costMs: 1, inARow: 0 }
  const verbs: Record<string, () => Promise<unknown>> = {
    create: () => store.sessions.create(scene.newSession()),
    'create beyond the limit': () => store.sessions.create(scene.newSession({ maxSessions: 2 })),
    'rotate: rotated': () => scene.rotate(sibling),
    'rotate: retried': () => scene.rotate(sibling),
    read: () => store.sessions.read(sibling.sid),
    list: () => store.sessions.list('ana'),
    'markDelivered, a batch': () => store.sessions.markDelivered([session, sibling, session]),
    end: () => store.sessions.end(sibling.sid, 'logout'),
    endAll: () => store.sessions.endAll('ana', 'logout'),
    readRevocations: () => store.sessions.readRevocations({ sinceMs: 0 }, 0),
    'users.find': () => store.users.find('ana'),
    'keys.list': () => store.keys.list(),
    'tries.take': () => store.attempts.take('try a', [{ name: 'n', limit: { max: 3, windowMs: 60_000 } }]),
    'tries.giveBack': () => store.attempts.giveBack('try a', [taken], 'right'),
  }
  for (const warm of Object.values(verbs)) await warm()
  for (const [name, verb] of Object.entries(verbs)) {
    const before = proxy.roundTrips
    await verb()
    t.equal(proxy.roundTrips - before, 1, name)
  }
})

t.test('two gateways on one Redis share sessions, users, keys and the log', async (t) => {
  const options = { prefix: newPrefix(), clock: new Clock().now }
  const [one, other] = [await openScene(t, options), await open(options)]
  t.teardown(() => other.close())
  const session = await one.login()
  t.match(await other.sessions.rotate({ ...session, issuedAtSeconds: 0 }, 0), { outcome: 'rotated' })
  t.match(await one.rotate(session), { outcome: 'retried', session: { generation: 2 } })
  const waiting = one.store.sessions.readRevocations({ sinceMs: 0 }, 5000)
  await other.sessions.end(session.sid, 'revoked_by_admin')
  t.match(await waiting, { revocations: [{ sid: session.sid, reason: 'revoked_by_admin' }] })
  t.match(await other.users.find('ana'), { sub: 'ana' })
})

t.test('a session stays compact and of one size, however often it is rotated', async (t) => {
  const redis = connectBeside(t)
  const prefix = newPrefix()
  const scene = await openScene(t, { prefix })
  let session = await scene.login({
    device: 'x'.repeat(64),
    ip: '2001:db8:1234:5678:9abc:def0:1234:5678',
    scope: 's'.repeat(70),
  })
  const key = `${prefix}{AAAAAAAA}`
  const sizeOf = async () => [await redis.object('ENCODING', key), await redis.call('MEMORY', 'USAGE', key)]
  const values = (await redis.hvals(key)).map((value) => Buffer.byteLength(value))
  t.ok(Math.max(...values) <= 64, 'no value over 64 bytes')
  const before = await sizeOf()
  for (let i = 0; i < 100; i += 1) {
    scene.clock.advance(60_000)
    session = await scene.advanceGeneration(session)
  }
  t.strictSame(await sizeOf(), before, '100 rotations later the same bytes')
  t.match(before[0], /^(listpack|ziplist)$/)
  for (let i = 1; i < 20; i += 1) await scene.login()
  t.match((await sizeOf())[0], /^(listpack|ziplist)$/, 'with 20 sessions too')
})

t.test('many sessions of a subject, long roles and a long scope cost more and work', async (t) => {
  const scene = await openScene(t)
  const roles = Array.from({ length: 100 }, (_, i) => `role ${i}`)
  const long = await scene.login({ roles, scope: 'orders:read '.repeat(200) })
  t.match(long, { roles, scope: 'orders:read '.repeat(200) })
  for (let i = 0; i < 150; i += 1) await scene.login({ maxSessions: 1000 })
  t.strictSame(await scene.read(long), long)
  t.equal((await scene.store.sessions.list('ana')).length, 151)
  t.strictSame((await scene.store.sessions.list('ana')).at(-1), long)
  t.equal((await scene.store.sessions.endAll('ana', 'logout')).revocations.length, 151)
  const tooMany = scene.newSession({ roles: Array.from({ length: 255 }, String) })
  await t.rejects(scene.store.sessions.create(tooMany), RangeError)
  await t.rejects(scene.store.sessions.create(scene.newSession({ sub: 'x'.repeat(256) })), RangeError)
})

t.test(
  'a page of all sessions ends after so many names, though none had a session, and the next goes on',
  async (t) => {
    const scene = await openScene(t)
    const last = await scene.login({ sub: await addManyUsers(scene) })
    const { sessions, next } = await scene.store.sessions.listAll(undefined, 50)
    t.strictSame(sessions, [])
    t.match(next, { sub: /^b0[01]\d{3}$/, session: undefined })
    t.match(await scene.store.sessions.listAll(next, 50), { sessions: [last], next: undefined })
  },
)

t.test(
  'every key of a session has a time-to-live within its absolute expiry and an hour; idle ones go sooner',
  async (t) => {
    const redis = connectBeside(t)
    const prefix = newPrefix()
    const scene = await openScene(t, { prefix })
    const [idle, ended, lived] = [await scene.login({ idleTtlSeconds: 60 }), await scene.login(), await scene.login()]
    await scene.store.sessions.end(ended.sid, 'logout')
    await scene.store.ping()
    const keys = (await redis.keys(`${prefix}*`)).filter((key) => !/users$|keys$|:ana$|epochs$|store$/.test(key))
    t.equal(keys.length, 5, 'the subject, a tombstone, the log, the latest beginning, the sign of life')
    t.ok(
      (await redis.pttl(`${prefix}epochs`)) > 400 * 24 * 3600_000,
      'what is known of primaries outlives every session',
    )
    for (const key of keys) {
      const ttl = await redis.pttl(key)
      t.ok(ttl > 0 && ttl <= (absoluteTtlSeconds + 3600) * 1000, `${key.slice(prefix.length)}: ${ttl}`)
    }
    await scene.store.sessions.end(lived.sid, 'logout')
    scene.clock.advance(2 * 3600_000)
    const alone = await openScene(t)
    t.equal((await alone.read(await alone.login({ idleTtlSeconds: 60 })))?.idleTtlSeconds, 60)
    const created = await scene.login({ idleTtlSeconds: 60 })
    t.equal(await scene.read(idle), undefined, 'one that expired over an hour ago is forgotten by the next login')
    t.ok(await scene.read(created))
  },
)

t.test('the key of a sole session outlives its idle time by an hour, and every rotation moves that', async (t) => {
  const redis = connectBeside(t)
  const prefix = newPrefix()
  const scene = await openScene(t, { prefix })
  const session = await scene.login({ idleTtlSeconds: 600, absoluteTtlSeconds: 900 })
  const ttlSeconds = async () => Math.round((await redis.pttl(`${prefix}{AAAAAAAA}`)) / 1000)
  t.ok(Math.abs((await ttlSeconds()) - 4200) <= 1)
  // Time passes for the store's clock only: of the key's time-to-live the part that is left is what counts.
  await redis.pexpire(`${prefix}{AAAAAAAA}`, 3700_000)
  scene.clock.advance(500_000)
  await scene.advanceGeneration(session)
  t.ok(Math.abs((await ttlSeconds()) - 4000) <= 1, 'up to the absolute expiry and an hour, not further')
})

t.test('a timeline is kept as long as was last asked for, a day when nobody asked', async (t) => {
  const redis = connectBeside(t)
  const prefix = newPrefix()
  const scene = await openScene(t, { prefix })
  const [sid, at] = [(await scene.login()).sid, scene.clock.nowMs]
  const step = { sid, at, reason: 'rotated', node: 'n', client: 'curl', network: '', generation: 2 }
  const mark = (keepUntil: number) =>
    scene.store.events.mark([{ ...step, keepUntil }], { events: 100, timelineEntries: 4 })
  const ttlSeconds = async () => Math.round((await redis.pttl(`${prefix}{AAAAAAAA}/${sid.slice(8)}`)) / 1000)
  await mark(0)
  t.ok(Math.abs((await ttlSeconds()) - 86_400) <= 1)
  await mark(at + 500_000)
  t.ok(Math.abs((await ttlSeconds()) - 500) <= 1)
  await mark(0)
  t.ok(Math.abs((await ttlSeconds()) - 500) <= 1, 'and for no longer because of a step that asks for nothing')
})

t.test('the log is trimmed by age, exactly, and positions rise even when the clock goes back', async (t) => {
  const scene = await openScene(t, { keepLogMs: 10_000 })
  const end = async () => {
    const { sid } = await scene.login()
    await scene.store.sessions.end(sid, 'logout')
    return sid
  }
  const sids = [await end()]
  const { position } = await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)
  scene.clock.nowMs -= 5000
  sids.push(await end())
  const page = await scene.store.sessions.readRevocations(position, 0)
  t.match(page.revocations, [{ sid: sids[1], at: scene.clock.nowMs }], 'a follower misses nothing')
  scene.clock.advance(15_001)
  sids.push(await end())
  const left = ofSessions((await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)).revocations).map(
    ({ sid }) => sid,
  )
  t.strictSame(left, sids.slice(2))
})

t.test('a reader from long ago is answered at once while another waits at the end', async (t) => {
  const scene = await openScene(t)
  const { sid } = await scene.login()
  await scene.store.sessions.end(sid, 'logout')
  const { position } = await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)
  const waiting = scene.store.sessions.readRevocations(position, 60_000)
  await scene.store.ping()
  const startedAt = performance.now()
  t.match(await scene.store.sessions.readRevocations({ sinceMs: 0 }, 60_000), { revocations: [{ sid }] })
  t.ok(performance.now() - startedAt < 500, 'without waiting for the blocking read of the other')
  await scene.store.close()
  t.match(await waiting, { revocations: [] })
})

t.test('a sid is exact: another spelling of the same bytes is another sid, which nobody has', async (t) => {
  const scene = await openScene(t)
  const { sid } = await scene.login({ sid: 'AAAAAAAA-_0000000000000000000001' })
  for (const other of [
    sid.replace('-', '+'),
    sid.replace('_', '/'),
    `${sid}=`,
    `${sid.slice(0, -1)}`,
    `${sid}A`,
    '',
    `${sid}\n`,
  ]) {
    t.equal(await scene.store.sessions.read(other), undefined, other)
    t.strictSame(await scene.store.sessions.end(other, 'logout'), { revocations: [] })
  }
  const foreign = scene.newSession({ sid: 'BBBBBBBB000000000000000000000001' })
  await t.rejects(scene.store.sessions.create(foreign), { message: /tag/ }, "a sid with another subject's tag")
})

t.test('a client that has lost more responses in a row than are counted gets the newest again', async (t) => {
  const prefix = newPrefix()
  const scene = await openScene(t, { prefix })
  const redis = connectBeside(t)
  const first = await scene.login()
  await scene.advanceGeneration(first)
  const { subject = '', field = '' } = new RedisNames(prefix, tagOf).parts(first.sid) ?? {}
  const state = await redis.hgetBuffer(subject, field)
  if (state === null) return t.fail('no session')
  // The newest generation, and how far it is ahead of the proven one (sessions/session.lua).
  state.writeUInt32BE(mostUnproven + 1, 2)
  state.writeUInt16BE(mostUnproven, state.length - 2)
  await redis.hset(subject, field, state)
  for (const grace of [0, graceMs]) {
    scene.clock.advance(graceMs + 1)
    const again = { outcome: 'retried', why: 'concurrent', session: { generation: mostUnproven + 1 } }
    t.match(await scene.rotate(first, grace), { ...again, session: { ...again.session, provenGeneration: 1 } })
  }
  t.match(await scene.rotate({ ...first, generation: mostUnproven + 1 }), {
    outcome: 'rotated',
    session: { generation: mostUnproven + 2, provenGeneration: mostUnproven + 1 },
  })
})

t.test('tombstones of keys stay for their time, and leave with the next removal after it', async (t) => {
  const prefix = newPrefix()
  const { store } = await openScene(t, { prefix })
  const redis = connectBeside(t)
  const { keys } = new RedisNames(prefix, tagOf)
  const nowMs = Date.now()
  await redis.hset(keys, { young: nowMs - keyTombstoneMs + 60_000, old: nowMs - keyTombstoneMs - 60_000 })
  await store.keys.remove('another')
  t.strictSame((await redis.hkeys(keys)).filter((id) => id !== 'subject-tag').sort(), ['another', 'young'])
})
