// Sign-ins of a subject that has many sessions, on a real Redis: what one costs the server, and that the index of such a
// subject comes, stays true and goes.
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { openRedisStore } from '../../plugins/session-store/redis.ts'
import { Clock } from '../clock.ts'
import { Scene } from '../contract/scene.ts'
import { newPrefix, startRedis } from '../redis-server.ts'

const { url } = await startRedis(t)
const redis = new Redis(url, { protocol: 2, disableClientInfo: true })
t.teardown(() => redis.disconnect())

interface Room {
  scene: Scene
  /** The subject's key, and the one of its index. */
  subject: string
  index: string
}

async function openRoom(t: Test, deadlineMs = 10_000): Promise<Room> {
  const [clock, prefix] = [new Clock(), newPrefix()]
  const loadSubjectTag = async () => () => 'AAAAAAAA'
  const store = await openRedisStore({ url, prefix, loadSubjectTag, deadlineMs, clock: clock.now })
  t.teardown(() => store.close())
  await store.users.add({ sub: 'ana', passwordHash: 'x', roles: ['reader'], scope: '' })
  return { scene: new Scene(store, clock), subject: `${prefix}{AAAAAAAA}`, index: `${prefix}{AAAAAAAA}#ana` }
}

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
  const evalsha = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info('commandstats'))
  return Number(evalsha?.[2]) / Number(evalsha?.[1])
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

t.test('at 1,000 sessions 100 sign-ins at once all succeed, within the deadline that is the default', async (t) => {
  const room = await openRoom(t, 400)
  await loginOften(room, 1000, 1000)
  room.scene.clock.advance(1)
  const fresh = Array.from({ length: 100 }, () => room.scene.newSession({ maxSessions: 1000 }))
  const outcomes = await Promise.allSettled(fresh.map((session) => room.scene.store.sessions.create(session)))
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 100)
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
  await redis.hdel(subject, Buffer.from(gone?.sid.slice(8) ?? '', 'base64url'))
  await loginOften(room, 1, 200)
  t.equal((await scene.store.sessions.list('ana')).length, 200, 'nobody was ended for a session that was lost')
  t.equal(await redis.zcard(index), 201)
})
