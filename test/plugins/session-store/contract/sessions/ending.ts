// Contract: ending one session, or all of a subject.
import type { Test } from 'tap'
import { endReasons } from '../../../../../plugins/audit/reasons/index.ts'
import type { Clock } from '../../../../support/clock.ts'
import { type OpenStore, openScene, second } from '../scene.ts'

export function testEnding(t: Test, open: OpenStore, clock: Clock): void {
  t.test('an ended session is a tombstone that answers with its reason, whichever it is', async (t) => {
    const scene = await openScene(t, open, clock)
    for (const reason of endReasons) {
      const session = await scene.advanceGeneration(await scene.login())
      clock.advance(second)
      const at = clock.nowMs
      const revocation = { kind: 'session', sid: session.sid, sub: 'ana', at, reason }
      t.strictSame(await scene.store.sessions.end(session.sid, reason), { revocations: [revocation] })
      const tombstone = { ...session, revokedAt: at, endReason: reason }
      t.strictSame(await scene.read(session), tombstone)
      t.strictSame(await scene.rotate(session), { outcome: 'revoked', session: tombstone, reason })
      t.strictSame(await scene.rotate({ ...session, generation: 1 }), {
        outcome: 'revoked',
        session: tombstone,
        reason,
      })
    }
  })

  t.test('ending again ends nothing; the first reason and time stay', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await scene.store.sessions.end(session.sid, 'logout')
    const tombstone = await scene.read(session)
    clock.advance(second)
    t.strictSame(await scene.store.sessions.end(session.sid, 'revoked_by_admin'), { revocations: [] })
    t.strictSame(await scene.store.sessions.endAll('ana', 'user_disabled'), { revocations: [], at: clock.nowMs })
    t.strictSame(await scene.read(session), tombstone)
  })

  t.test('of many ends at once one ends the session', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    const ends = Array.from({ length: 10 }, () => scene.store.sessions.end(session.sid, 'logout'))
    const all = scene.store.sessions.endAll('ana', 'password_changed')
    const revocations = (await Promise.all([...ends, all])).flatMap((outcome) => outcome.revocations)
    t.equal(revocations.length, 1)
  })

  t.test('ending what is not there ends nothing', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    t.strictSame(await scene.store.sessions.end('AAAAAAAAunknown00000000000000000', 'logout'), { revocations: [] })
    t.strictSame(await scene.store.sessions.endAll('nobody', 'logout'), { revocations: [], at: clock.nowMs })
    t.strictSame(await scene.read(session), session)
  })

  t.test('all sessions of a subject end, oldest first; another subject keeps its own', async (t) => {
    const scene = await openScene(t, open, clock)
    await scene.store.users.add({ sub: 'bo', passwordHash: 'x', roles: [], scope: '' })
    const others = await scene.login({ sub: 'bo' })
    const first = await scene.login()
    clock.advance(1)
    const second = await scene.login()
    const { revocations } = await scene.store.sessions.endAll('ana', 'password_changed')
    const expected = [first, second].map(({ sid }) => ({
      kind: 'session',
      sid,
      sub: 'ana',
      at: clock.nowMs,
      reason: 'password_changed',
    }))
    t.strictSame(revocations, expected)
    t.strictSame(await scene.store.sessions.list('ana'), [])
    t.strictSame(await scene.store.sessions.list('bo'), [others])
    t.match(await scene.rotate(second), { outcome: 'revoked', reason: 'password_changed' })
  })

  t.test(
    'all but one: the excepted session lives on; an unknown exception or an ended one protects nothing',
    async (t) => {
      const scene = await openScene(t, open, clock)
      const [first, kept] = [await scene.login(), await scene.login()]
      const { revocations } = await scene.store.sessions.endAll('ana', 'revoked_by_user', kept.sid)
      t.strictSame(
        revocations.map(({ sid }) => sid),
        [first.sid],
      )
      t.match(await scene.rotate(kept), { outcome: 'rotated' })
      t.equal((await scene.store.sessions.endAll('ana', 'revoked_by_user', first.sid)).revocations.length, 1)
      t.match(await scene.read(kept), { endReason: 'revoked_by_user' })
    },
  )
  t.end()
}
