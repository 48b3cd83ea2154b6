// Contract: the list of all live sessions, a page at a time: complete, in one order, and steady while sessions come and go.
import type { Test } from 'tap'
import { lookLimit } from '../../../../../plugins/session-store/port/session-page.ts'
import type { SessionPage, SessionPlace } from '../../../../../plugins/session-store/port/sessions.ts'
import type { Session } from '../../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../../support/clock.ts'
import { type ContractScene, idleTtlSeconds, type OpenStore, openScene, second } from '../scene.ts'

export function testListing(t: Test, open: OpenStore, clock: Clock): void {
  t.test('pages of any size give exactly the live sessions: by subject, newest login first, each once', async (t) => {
    const scene = await openScene(t, open, clock)
    t.strictSame(await scene.store.sessions.listAll(undefined, 10), { sessions: [] }, 'none yet')
    const expected = await signInMany(scene)
    t.equal(expected.length, 15)
    for (const limit of [1, 2, 3, 5, 14, 15, 16, 200]) {
      const pages = await readPages(scene, limit)
      t.strictSame(
        pages.flatMap(({ sessions }) => sessions),
        expected,
        `pages of ${limit}`,
      )
      t.ok(pages.slice(0, -1).every(({ sessions }) => sessions.length === limit))
      t.equal(pages.length, Math.ceil(expected.length / limit), 'and no empty one at the end')
    }
  })

  t.test('what ended, expired, or began before everyone was ended is in no page', async (t) => {
    const scene = await openScene(t, open, clock)
    const idle = await scene.login({ idleTtlSeconds: 60 })
    clock.advance(second)
    const [loggedOut, rotated] = [await scene.login(), await scene.login()]
    await scene.store.sessions.end(loggedOut.sid, 'logout')
    const newest = await scene.advanceGeneration(rotated)
    t.strictSame(sidsOf(await readPages(scene, 1)), sidsIn([newest, idle]))
    clock.advance(60 * second)
    t.match(await readPages(scene, 1), [{ sessions: [newest] }])
    await scene.store.sessions.endEveryone('revoked_by_admin')
    t.strictSame(sidsOf(await readPages(scene, 1)), [])
    const later = await scene.login()
    t.strictSame(sidsOf(await readPages(scene, 1)), [later.sid])
    clock.advance((idleTtlSeconds + 1) * second)
    t.strictSame(sidsOf(await readPages(scene, 1)), [])
  })

  t.test('sessions that start or end between two pages move no other one: none twice, none missing', async (t) => {
    const scene = await openScene(t, open, clock)
    const before = await signInMany(scene)
    const seen: string[] = []
    const ended = new Set<string>()
    let place: SessionPlace | undefined
    do {
      const page: SessionPage = await scene.store.sessions.listAll(place, 2)
      seen.push(...page.sessions.map(({ sid }) => sid))
      if (seen.length > 1000) throw new Error('the pages never end')
      place = page.next
      // The one the place names, and one that is still to come; and a login before, at and behind the place.
      const toCome = before.findLast(({ sid }) => !seen.includes(sid) && !ended.has(sid))
      for (const sid of [page.sessions.at(-1)?.sid, toCome?.sid]) {
        if (sid === undefined) continue
        await scene.store.sessions.end(sid, 'logout')
        ended.add(sid)
      }
      clock.advance(1)
      for (const sub of subs) await scene.login({ sub })
    } while (place)
    t.equal(new Set(seen).size, seen.length, 'none twice')
    const missing = before.filter(({ sid }) => !ended.has(sid) && !seen.includes(sid))
    t.strictSame(missing, [])
  })

  t.test('a place need not exist: before all, behind all, between, and of a session that never was', async (t) => {
    const scene = await openScene(t, open, clock)
    const [first, ...rest] = await signInMany(scene)
    if (!first) throw new Error('nobody signed in')
    const behind = async (place: SessionPlace) => (await scene.store.sessions.listAll(place, 100)).sessions
    t.strictSame(await behind({ sub: '0' }), [first, ...rest])
    t.strictSame(await behind({ sub: '0', session: { createdAt: clock.nowMs, sid: 'A'.repeat(32) } }), [first, ...rest])
    t.strictSame(await behind({ sub: 'zz' }), [])
    const { sub, createdAt, sid } = first
    t.strictSame(await behind({ sub, session: { createdAt: createdAt + 1, sid } }), [first, ...rest])
    t.strictSame(await behind({ sub, session: { createdAt, sid } }), rest)
    t.strictSame(
      await behind({ sub, session: { createdAt: 0, sid } }),
      rest.filter((session) => session.sub !== sub),
    )
    t.strictSame(await behind({ sub: 'b' }), [first, ...rest].slice(await countTo(scene, 'b')))
  })

  t.test('among many users without a session the one who has one is found', async (t) => {
    const scene = await openScene(t, open, clock)
    const last = await scene.login({ sub: await addManyUsers(scene) })
    t.strictSame(sidsOf(await readPages(scene, 50)), [last.sid])
  })
  t.end()
}

/** Adds more users than one page looks at. @returns the last one */
export async function addManyUsers({ store }: ContractScene): Promise<string> {
  const subs = Array.from({ length: lookLimit + 100 }, (_, i) => `b${String(i).padStart(5, '0')}`)
  await Promise.all(subs.map((sub) => store.users.add({ sub, passwordHash: 'x', roles: [], scope: '' })))
  return subs.at(-1) ?? ''
}

const subs = ['ana', 'ana.b', 'b', 'c@example.org', 'z']

/** Several sessions each, some within one millisecond. @returns them in the order of the list */
async function signInMany(scene: ContractScene): Promise<Session[]> {
  for (const sub of subs.slice(1)) await scene.store.users.add({ sub, passwordHash: 'x', roles: [], scope: '' })
  const sessions: Session[] = []
  for (const [times, sub] of subs.entries()) {
    for (let i = 0; i <= times; i += 1) {
      if (i !== 2) scene.clock.advance(1)
      // Sids that begin with what sorts differently as text and as bytes.
      const sid = scene.newSession().sid
      sessions.push(await scene.login({ sub, sid: `${sid.slice(0, 8)}${'_-aZ0'[i] ?? 'b'}${sid.slice(9)}` }))
    }
  }
  return sessions.sort(inOrder)
}

function inOrder(a: Session, b: Session): number {
  if (a.sub !== b.sub) return a.sub < b.sub ? -1 : 1
  return b.createdAt - a.createdAt || (a.sid < b.sid ? -1 : 1)
}

async function readPages(scene: ContractScene, limit: number): Promise<SessionPage[]> {
  const pages: SessionPage[] = []
  let place: SessionPlace | undefined
  do {
    const page: SessionPage = await scene.store.sessions.listAll(place, limit)
    pages.push(page)
    if (pages.length > 1000) throw new Error('the pages never end')
    place = page.next
  } while (place)
  return pages
}

function sidsOf(pages: readonly SessionPage[]): string[] {
  return pages.flatMap(({ sessions }) => sidsIn(sessions))
}

function sidsIn(sessions: readonly Session[]): string[] {
  return sessions.map(({ sid }) => sid)
}

/** How many sessions there are up to the last one of a subject. */
async function countTo(scene: ContractScene, sub: string): Promise<number> {
  const { sessions } = await scene.store.sessions.listAll(undefined, 100)
  return sessions.findLastIndex((session) => session.sub === sub) + 1
}
