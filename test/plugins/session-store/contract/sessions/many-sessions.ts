// Contract: a subject with hundreds of sessions is treated as one with three is: which session ends at the limit, what counts
// against it, and what is listed and ended.
import type { Test } from 'tap'
import type { Session } from '../../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../../support/clock.ts'
import { absoluteTtlSeconds, type ContractScene, type OpenStore, ofSessions, openScene, second } from '../scene.ts'

const many = 200
/** More than any of these logins needs. */
const noLimit = 1000
const shortTtlSeconds = 60

/** So many logins, a millisecond apart. */
async function loginOften(
  scene: ContractScene,
  count: number,
  { maxSessions = noLimit, ...change }: { maxSessions?: number; idleTtlSeconds?: number } = {},
): Promise<Session[]> {
  const sessions = []
  for (let i = 0; i < count; i += 1) {
    scene.clock.advance(1)
    sessions.push(await scene.login({ maxSessions, ...change }))
  }
  return sessions
}

function at(sessions: readonly Session[], place: number): Session {
  const session = sessions[place]
  if (session === undefined) throw new RangeError(`there is no session ${place}`)
  return session
}

const sids = (sessions: readonly { sid: string }[]) => sessions.map(({ sid }) => sid)

/** Logs in once. @returns the sids that this ended */
async function endedByLogin(scene: ContractScene, maxSessions: number): Promise<string[]> {
  scene.clock.advance(1)
  const created = await scene.store.sessions.create(scene.newSession({ maxSessions }))
  if (created.outcome !== 'created') throw new Error(created.outcome)
  for (const { reason } of created.revocations) if (reason !== 'session_limit') throw new Error(reason)
  return sids(created.revocations)
}

export function testManySessions(t: Test, open: OpenStore, clock: Clock): void {
  t.test('at the limit each login ends the oldest, and all others are listed, newest first', async (t) => {
    const scene = await openScene(t, open, clock)
    const sessions = await loginOften(scene, many, { maxSessions: many })
    // Rotated: it is as old as its login all the same.
    const [first] = sessions
    if (first) await scene.advanceGeneration(first)
    for (const { sid } of sessions.slice(0, 20)) t.strictSame(await endedByLogin(scene, many), [sid])
    const listed = sids(await scene.store.sessions.list('ana'))
    t.equal(listed.length, many)
    t.strictSame(listed.slice(20), sids(sessions.slice(20)).reverse())
    t.match(await scene.read(at(sessions, 19)), { endReason: 'session_limit' })
  })

  t.test('what expired or ended does not count against the limit', async (t) => {
    const scene = await openScene(t, open, clock)
    const [oldest] = await loginOften(scene, 1)
    const expiring = await loginOften(scene, many, { idleTtlSeconds: shortTtlSeconds })
    const kept = await loginOften(scene, many - 20)
    // One of those stays: it is rotated in time.
    scene.clock.advance((shortTtlSeconds * second) / 2)
    const rotated = await scene.advanceGeneration(at(expiring, 1))
    scene.clock.advance((shortTtlSeconds * second) / 2)
    t.strictSame(await endedByLogin(scene, many), [], 'those that expired')
    await scene.store.sessions.end(at(kept, 50).sid, 'logout')
    await scene.rotate({ ...at(kept, 60), generation: 0 })
    const room = many - (await scene.store.sessions.list('ana')).length
    for (let i = 0; i < room; i += 1) t.strictSame(await endedByLogin(scene, many), [])
    t.equal((await scene.store.sessions.list('ana')).length, many)
    t.strictSame(await endedByLogin(scene, many), [oldest?.sid])
    t.strictSame(await endedByLogin(scene, many), [rotated.sid])
    t.strictSame(await endedByLogin(scene, many), [kept[0]?.sid])
  })

  t.test('sessions that expire one after the other make room for as many', async (t) => {
    const scene = await openScene(t, open, clock)
    for (let i = 0; i < 5; i += 1) {
      scene.clock.advance(shortTtlSeconds * second)
      for (const session of await loginOften(scene, many, { maxSessions: many, idleTtlSeconds: shortTtlSeconds })) {
        if (session.generation !== 1) t.fail('a login of its own')
      }
      t.equal((await scene.store.sessions.list('ana')).length, many)
    }
    t.strictSame(await endedByLogin(scene, many + 1), [])
  })

  t.test('a lowered limit ends as many as it takes, oldest first', async (t) => {
    const scene = await openScene(t, open, clock)
    const sessions = await loginOften(scene, many)
    t.strictSame(await endedByLogin(scene, 30), sids(sessions.slice(0, many - 29)))
    t.strictSame(await endedByLogin(scene, 30), [sessions[many - 29]?.sid])
  })

  t.test('all of them end at once, one stays if so asked, and the next logins begin anew', async (t) => {
    const scene = await openScene(t, open, clock)
    const { sessions: store } = scene.store
    const sessions = await loginOften(scene, many)
    const stays = at(sessions, 100)
    const others = sids(sessions).filter((sid) => sid !== stays.sid)
    const ended = await store.endAll('ana', 'password_changed', stays.sid)
    t.strictSame(sids(ofSessions(ended.revocations)), others)
    t.strictSame(sids(await store.list('ana')), [stays.sid])
    t.strictSame(await endedByLogin(scene, 2), [])
    t.strictSame(await endedByLogin(scene, 2), [stays.sid])
    t.equal((await store.endAll('ana', 'logout')).revocations.length, 2)
    t.strictSame(await endedByLogin(scene, 1), [])
    t.equal((await store.list('ana')).length, 1)
  })

  t.test('whom everyone’s end has ended counts no more', async (t) => {
    const scene = await openScene(t, open, clock)
    await loginOften(scene, many)
    await scene.store.sessions.endEveryone('revoked_by_admin')
    scene.clock.advance(second)
    for (let i = 0; i < 10; i += 1) t.strictSame(await endedByLogin(scene, 10), [])
    t.equal((await scene.store.sessions.list('ana')).length, 10)
  })

  t.test('logins at once keep the limit, and none is lost', async (t) => {
    const scene = await openScene(t, open, clock)
    await loginOften(scene, many, { maxSessions: many })
    scene.clock.advance(1)
    const created = await Promise.all(Array.from({ length: 50 }, () => scene.login({ maxSessions: many })))
    const listed = new Set(sids(await scene.store.sessions.list('ana')))
    t.equal(listed.size, many)
    t.ok(created.every(({ sid }) => listed.has(sid)))
  })

  t.test('logins after the clock was set back live, and keep the limit', async (t) => {
    const scene = await openScene(t, open, clock)
    await loginOften(scene, many)
    scene.clock.advance(-10 * second)
    const later = await loginOften(scene, many - 1)
    const listed = new Set(sids(await scene.store.sessions.list('ana')))
    t.equal(listed.size, 2 * many - 1)
    t.ok(later.every(({ sid }) => listed.has(sid)))
    t.strictSame(await endedByLogin(scene, 2 * many), [])
    t.equal((await endedByLogin(scene, 2 * many)).length, 1)
    scene.clock.advance(10 * second)
    t.equal((await scene.store.sessions.list('ana')).length, 2 * many)
    scene.clock.advance(absoluteTtlSeconds * second)
    t.strictSame(await scene.store.sessions.list('ana'), [])
  })
  t.end()
}
