// Sign-ins of a subject that has many sessions, on a real Redis: what one costs the server, and that the index of such a
// subject comes, stays true and goes.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { Clock } from '../../../support/clock.ts'
import { newPrefix, startRedis } from '../../../support/redis/server.ts'
import { ContractScene } from '../contract/scene.ts'

const { url } = await startRedis(t)
const redis = new Redis(url, { protocol: 2, disableClientInfo: true })
t.teardown(() => redis.disconnect())

interface Room {
  scene: ContractScene
  /** The subject's key, and the one of its index. */
  subject: string
  index: string
}

async function openRoom(t: Test): Promise<Room> {
  const [clock, prefix] = [new Clock(), newPrefix()]
  const loadSubjectTag = async () => () => 'AAAAAAAA'
  const store = await openRedisStore({ url, prefix, loadSubjectTag, deadlineMs: 10_000, clock: clock.now })
  t.teardown(() => store.close())
  await store.users.add({ sub: 'ana', passwordHash: 'x', roles: ['reader'], scope: '' })
  return { scene: new ContractScene(store, clock), subject: `${prefix}{AAAAAAAA}`, index: `${prefix}{AAAAAAAA}#` }
}

/** As CARDEA_MAX_SESSIONS allows. */
const most = 4000

const fieldOf = (session: { sid: string } | undefined) => Buffer.from(session?.sid.slice(8) ?? '', 'base64url')

async function loginOften({ scene }: Room, count: number, maxSessions: number): Promise<void> {
  for (let done = 0; done < count; done += 50) {
    scene.clock.advance(1)
    await Promise.all(Array.from({ length: Math.min(50, count - done) }, () => scene.login({ maxSessions })))
  }
}

/** How long Redis worked on a sign-in, in microseconds: the mean of so many. */
async function costOf(room: Room, signIns: number, maxSessions: number): Promise<number> {
  await redis.config('RESETSTAT')
  await loginOften(room, signIns, maxSessions)
  const { total, calls } = await timeOfScripts()
  return total / calls
}

/** How long Redis worked on scripts since its counts began, in microseconds. */
async function timeOfScripts(): Promise<{ total: number; calls: number }> {
  const evalsha = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info('commandstats'))
  return { total: Number(evalsha?.[2]), calls: Number(evalsha?.[1]) }
}

t.test('a sign-in of a subject with 1,000 sessions costs less than three times that of one with 10', async (t) => {
  const [few, many] = [await openRoom(t), await openRoom(t)]
  await loginOften(few, 10, 10)
  await loginOften(many, 1000, 1000)
  // The first one may look at all of them.
  await loginOften(many, 1, 1000)
  const [small, large] = [await costOf(few, 200, 10), await costOf(many, 200, 1000)]
  t.ok(large < 3 * small, `${small.toFixed(0)} µs with 10 sessions, ${large.toFixed(0)} with 1,000`)
  t.equal((await many.scene.store.sessions.list('ana')).length, 1000)
})

t.test('at 1,000 sessions 100 sign-ins at once take Redis less than a quarter of the deadline', async (t) => {
  const room = await openRoom(t)
  const { scene } = room
  await loginOften(room, 1000, 1000)
  scene.clock.advance(1)
  await redis.config('RESETSTAT')
  await Promise.all(Array.from({ length: 100 }, () => scene.login({ maxSessions: 1000 })))
  const { total } = await timeOfScripts()
  t.ok(total < 100_000, `${total} µs`)
})

t.test('a subject that never had more than 100 sessions has no index', async (t) => {
  const room = await openRoom(t)
  await loginOften(room, 120, 100)
  t.equal(await redis.exists(room.index), 0)
})

t.test('the index names what lives, whatever ends it, and lives no longer than the sessions', async (t) => {
  const room = await openRoom(t)
  const { scene, subject, index } = room
  await loginOften(room, 200, 300)
  const size = async () => (await redis.zcard(index)) - 1
  t.equal(await size(), 200)
  const left = (await redis.pttl(subject)) - (await redis.pttl(index))
  t.ok(left >= 0 && left < 10_000, `${left} ms`)
  const [newest] = await scene.store.sessions.list('ana')
  await scene.store.sessions.end(newest?.sid ?? '', 'logout')
  t.equal(await size(), 199)
  await scene.store.sessions.endAll('ana', 'logout')
  t.equal(await size(), 0)
  await loginOften(room, 1, 300)
  t.equal(await size(), 1)
  t.equal((await scene.store.sessions.list('ana')).length, 1)
})

t.test('an index that was lost, or names what is not there, is made again', async (t) => {
  const room = await openRoom(t)
  const { scene, subject, index } = room
  await loginOften(room, 200, 200)
  await redis.unlink(index)
  await loginOften(room, 1, 200)
  t.equal((await scene.store.sessions.list('ana')).length, 200)
  const [gone] = (await scene.store.sessions.list('ana')).slice(-1)
  await redis.hdel(subject, fieldOf(gone))
  await loginOften(room, 1, 200)
  t.equal((await scene.store.sessions.list('ana')).length, 200, 'nobody was ended for a session that was lost')
  t.equal(await redis.zcard(index), 201)
})

t.test('a session among many that cannot be read stops nobody, and its end leaves no place taken', async (t) => {
  const room = await openRoom(t)
  const { scene, subject, index } = room
  await loginOften(room, 200, 200)
  const sessions = await scene.store.sessions.list('ana')
  await redis.hset(subject, fieldOf(sessions.at(-1)), 'another layout')
  await loginOften(room, 1, 200)
  t.equal((await scene.store.sessions.list('ana')).length, 200, 'the oldest')
  await redis.hset(subject, fieldOf(sessions[100]), 'another layout')
  await scene.store.sessions.end(sessions[100]?.sid ?? '', 'logout')
  t.equal(await redis.exists(index), 0)
  await loginOften(room, 1, 200)
  t.equal((await scene.store.sessions.list('ana')).length, 200, 'one in the midst')
})

t.test('two subjects whose tags are the same have no index, and a limit each', async (t) => {
  const room = await openRoom(t)
  const { scene, index } = room
  await scene.store.users.add({ sub: 'bo', passwordHash: 'x', roles: [], scope: '' })
  await loginOften(room, 200, 200)
  t.equal(await redis.exists(index), 1)
  const other = await scene.login({ sub: 'bo', maxSessions: 1 })
  t.equal(await redis.exists(index), 0)
  await loginOften(room, 50, 200)
  t.equal((await scene.store.sessions.list('ana')).length, 200)
  t.strictSame(await scene.store.sessions.list('bo'), [other])
  t.equal(await redis.exists(index), 0)
})

t.test('sessions that expire one after the other leave numbers for the next, and the hash stays bounded', async (t) => {
  const room = await openRoom(t)
  for (let i = 0; i < 9000; i += 100) {
    room.scene.clock.advance(2000)
    const fresh = Array.from({ length: 100 }, () => room.scene.login({ idleTtlSeconds: 1, maxSessions: 150 }))
    await Promise.all(fresh)
  }
  const fields = await redis.hlen(room.subject)
  t.ok(fields <= 5 * 4300, `${fields} fields`)
  t.equal((await room.scene.store.sessions.list('ana')).length, 100)
})

t.test(
  'as many sessions as a subject may ever have, and as many that have expired, leave a number for the next',
  async (t) => {
    const room = await openRoom(t)
    const { scene } = room
    // Expired, and kept a while for their clients.
    for (let i = 0; i < 4000; i += 100)
      await Promise.all(Array.from({ length: 100 }, () => scene.login({ idleTtlSeconds: 1, maxSessions: most })))
    scene.clock.advance(2000)
    await loginOften(room, most, most)
    t.equal((await scene.store.sessions.list('ana')).length, most)
    const cost = await costOf(room, 100, most)
    t.ok(cost < 2000, `${cost.toFixed(0)} µs a sign-in`)
    t.equal((await scene.store.sessions.endAll('ana', 'logout')).revocations.length, most)
  },
)
