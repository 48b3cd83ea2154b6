// Contract: the revocation log, from which every node learns what ended.
import type { Test } from 'tap'
import { StoreUnavailable } from '../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../support/clock.ts'
import { type ContractScene, graceMs, hour, type OpenStore, ofSessions, openScene, second, within } from './scene.ts'

const deadlineMs = 5000

async function readAll(scene: ContractScene, sinceMs: number): Promise<{ sid: string; reason: string; at: number }[]> {
  const entries = []
  let page = await scene.store.sessions.readRevocations({ sinceMs }, 0)
  while (page.revocations.length > 0) {
    entries.push(...ofSessions(page.revocations).map(({ sid, reason, at }) => ({ sid, reason, at })))
    page = await scene.store.sessions.readRevocations(page.position, 0)
  }
  return entries
}

export function testRevocations(t: Test, open: OpenStore, clock: Clock): void {
  t.test('whatever ends a session is in the log once, oldest first, with subject, time and reason', async (t) => {
    const scene = await openScene(t, open, clock)
    const sinceMs = clock.nowMs
    const sessions = [await scene.login(), await scene.login(), await scene.login(), await scene.login()]
    const [limited, reused, loggedOut, rest] = sessions.map(({ sid }) => sid)
    const expected = []
    clock.advance(1)
    await scene.store.sessions.end(loggedOut ?? '', 'logout')
    expected.push({ sid: loggedOut, reason: 'logout', at: clock.nowMs })
    clock.advance(1)
    const [, old] = sessions
    await scene.deliver(await scene.advanceGeneration(old ?? (await scene.login())))
    clock.advance(graceMs + 1)
    await scene.rotate(old ?? (await scene.login()))
    expected.push({ sid: reused, reason: 'revoked_by_reuse', at: clock.nowMs })
    clock.advance(1)
    await scene.login({ maxSessions: 2 })
    const limitedOrRest = [limited, rest]
    const [limit] = (await readAll(scene, clock.nowMs)).map(({ sid }) => sid)
    t.ok(limitedOrRest.includes(limit), 'of two logins in one millisecond either is the oldest')
    expected.push({ sid: limit, reason: 'session_limit', at: clock.nowMs })
    clock.advance(1)
    const ended = await scene.store.sessions.endAll('ana', 'user_disabled')
    expected.push(...ended.revocations.map(({ sid, reason, at }) => ({ sid, reason, at })))
    await scene.store.sessions.end(loggedOut ?? '', 'revoked_by_admin')
    t.strictSame(await readAll(scene, sinceMs), expected)
    const page = await scene.store.sessions.readRevocations({ sinceMs }, 0)
    const first = { kind: 'session', sid: loggedOut, sub: 'ana', at: sinceMs + 1, reason: 'logout' }
    t.strictSame(page.revocations[0], first)
  })

  t.test('reading begins at a time, that millisecond included', async (t) => {
    const scene = await openScene(t, open, clock)
    const sids = []
    for (let i = 0; i < 3; i += 1) {
      const { sid } = await scene.login()
      clock.advance(second)
      await scene.store.sessions.end(sid, 'logout')
      sids.push(sid)
    }
    const sidsSince = async (sinceMs: number) => (await readAll(scene, sinceMs)).map(({ sid }) => sid)
    t.strictSame(await sidsSince(0), sids)
    t.strictSame(await sidsSince(clock.nowMs - second), sids.slice(1))
    t.strictSame(await sidsSince(clock.nowMs - second + 1), sids.slice(2))
    t.strictSame(await sidsSince(clock.nowMs), sids.slice(2))
    t.strictSame(await sidsSince(clock.nowMs + 1), [])
  })

  t.test('a position takes up reading where the page ended: nothing twice, nothing missed', async (t) => {
    const scene = await openScene(t, open, clock)
    let { position } = await scene.store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
    for (let i = 0; i < 4; i += 1) {
      const ended = [await scene.login(), await scene.login()]
      await scene.store.sessions.endAll('ana', 'logout')
      const page = await scene.store.sessions.readRevocations(position, 0)
      t.strictSame(
        ofSessions(page.revocations)
          .map(({ sid }) => sid)
          .sort(),
        ended.map(({ sid }) => sid).sort(),
      )
      const again = await scene.store.sessions.readRevocations(position, 0)
      t.strictSame(again, page, 'a position can be read from again')
      position = page.position
      const empty = await scene.store.sessions.readRevocations(position, 0)
      t.strictSame(empty.revocations, [])
      position = empty.position
    }
  })

  t.test('a long log is read page by page to its end', async (t) => {
    const scene = await openScene(t, open, clock)
    const sinceMs = clock.nowMs
    for (const sub of Array.from({ length: 15 }, (_, i) => `user ${i}`)) {
      await scene.store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
      await Promise.all(Array.from({ length: 100 }, () => scene.login({ sub })))
      await scene.store.sessions.endAll(sub, 'revoked_by_admin')
    }
    const sids = (await readAll(scene, sinceMs)).map(({ sid }) => sid)
    t.equal(sids.length, 1500)
    t.equal(new Set(sids).size, 1500)
  })

  t.test('a reader waits and is woken by the next entry, as many readers as there are', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    const { position } = await scene.store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
    const starts = [position, position, { sinceMs: clock.nowMs }, { sinceMs: 0 }]
    const readers = starts.map((start) => scene.store.sessions.readRevocations(start, 60 * second))
    await scene.advanceGeneration(session)
    await scene.store.sessions.end(session.sid, 'logout')
    for (const page of await within(deadlineMs, Promise.all(readers))) {
      t.strictSame(
        ofSessions(page.revocations).map(({ sid }) => sid),
        [session.sid],
      )
    }
  })

  t.test('an entry that is there already is not waited for', async (t) => {
    const scene = await openScene(t, open, clock)
    const { position } = await scene.store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
    const session = await scene.login()
    await scene.store.sessions.end(session.sid, 'logout')
    const page = await within(deadlineMs, scene.store.sessions.readRevocations(position, 60 * second))
    t.equal(page.revocations.length, 1)
  })

  t.test('a wait that meets nothing ends with an empty page, from whose position reading goes on', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    for (const fromTime of [true, false]) {
      const { position } = await scene.store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
      const start = fromTime ? { sinceMs: clock.nowMs } : position
      const page = await within(deadlineMs, scene.store.sessions.readRevocations(start, 20))
      t.strictSame(page.revocations, [])
      const next = scene.store.sessions.readRevocations(page.position, 60 * second)
      await scene.store.sessions.end((await scene.login()).sid, 'logout')
      t.equal((await within(deadlineMs, next)).revocations.length, 1)
      clock.advance(1)
    }
    t.strictSame(await scene.read(session), session)
  })

  t.test('an entry is kept for an hour at least', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await scene.store.sessions.end(session.sid, 'logout')
    const at = clock.nowMs
    clock.advance(hour)
    await scene.login({ maxSessions: 1 })
    t.strictSame(await readAll(scene, at), [{ sid: session.sid, reason: 'logout', at }])
  })

  t.test(
    'close releases those who wait with an empty page; after it every verb says that the store is away',
    async (t) => {
      const store = await open(clock)
      const waiting = store.sessions.readRevocations({ sinceMs: clock.nowMs }, 60 * second)
      await store.ping()
      await store.close()
      t.strictSame((await within(deadlineMs, waiting)).revocations, [])
      await store.close()
      const verbs = [
        store.sessions.read('x'),
        store.sessions.list('x'),
        store.sessions.rotate({ sid: 'x', generation: 1, issuedAtSeconds: 1 }, 0),
        store.sessions.markDelivered([{ sid: 'x', generation: 1 }]),
        store.sessions.end('x', 'logout'),
        store.sessions.endAll('x', 'logout'),
        store.sessions.endEveryone('revoked_by_admin'),
        store.sessions.revoke({ kind: 'token', jti: 'x' }),
        store.sessions.readRevocations({ sinceMs: 0 }, 0),
        store.users.find('x'),
        store.users.change('x', {}),
        store.keys.list(),
        store.ping(),
      ]
      const responses = await Promise.all(verbs.map((verb: Promise<unknown>) => verb.catch((error: unknown) => error)))
      for (const response of responses) t.ok(response instanceof StoreUnavailable)
    },
  )
  t.end()
}
