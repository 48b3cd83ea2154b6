// Contract: a user who was disabled, changed or removed, and the sessions that were granted before. Whatever a gateway leaves
// undone after the change, the store itself refuses them.
import type { Test } from 'tap'
import type { UserChange } from '../../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../../support/clock.ts'
import { hour, type OpenStore, ofSessions, openScene, second } from '../scene.ts'

const changes: [title: string, change: UserChange][] = [
  ['disabled', { disabled: true }],
  ['given another password', { passwordHash: 'another' }],
  ['given other roles', { roles: [] }],
  ['given another scope', { scope: '' }],
]

export function testChangedUsers(t: Test, open: OpenStore, clock: Clock): void {
  for (const [title, change] of changes) {
    t.test(`no session of a user who was ${title} is rotated, though nobody ended it`, async (t) => {
      const scene = await openScene(t, open, clock)
      const [session, other] = [await scene.login(), await scene.login()]
      await scene.store.users.change('ana', change)
      clock.advance(second)
      const [at, reason] = [clock.nowMs, 'user_disabled'] as const
      const tombstone = { ...session, revokedAt: at, endReason: reason }
      const revocation = { kind: 'session', sid: session.sid, sub: 'ana', at, reason } as const
      t.strictSame(await scene.rotate(session), {
        outcome: 'user_changed',
        session: tombstone,
        revocations: [revocation],
      })
      t.strictSame(await scene.read(session), tombstone, 'it has been ended')
      const { revocations } = await scene.store.sessions.readRevocations({ sinceMs: 0 }, 0)
      t.strictSame(ofSessions(revocations), [revocation], 'and the log says so to all nodes')
      t.match(await scene.rotate(session), { outcome: 'revoked', reason })
      // Superseded, newest or ahead: none is honoured.
      t.match(await scene.rotate({ ...other, generation: 2 }), { outcome: 'user_changed' })
    })
  }

  t.test('enabling a disabled user brings no session back', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await scene.store.users.change('ana', { disabled: true })
    await scene.store.users.change('ana', { disabled: false })
    t.match(await scene.rotate(session), { outcome: 'user_changed' })
  })

  t.test('neither a retry nor a heal gets around a change', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    await scene.advanceGeneration(first)
    await scene.store.users.change('ana', { passwordHash: 'another' })
    t.match(await scene.rotate(first), { outcome: 'user_changed' }, 'a lost response')
  })

  t.test('a sign-in after the change lives, whatever the clock does', async (t) => {
    const scene = await openScene(t, open, clock)
    const old = await scene.login()
    await scene.store.users.change('ana', { passwordHash: 'another' })
    const fresh = await scene.login({ userRevision: 2 })
    t.match(await scene.rotate(old), { outcome: 'user_changed' })
    t.match(await scene.rotate(fresh), { outcome: 'rotated', session: { userRevision: 2 } })
  })

  t.test('a rehash changes nothing that a session was granted by', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await scene.store.users.rehash('ana', 'hash of ana', 'new')
    t.match(await scene.rotate(session), { outcome: 'rotated' })
  })

  t.test('a user of very many changes is told apart from every earlier one', async (t) => {
    const scene = await openScene(t, open, clock)
    for (let revision = 2; revision <= 258; revision += 1)
      await scene.store.users.change('ana', { scope: `${revision}` })
    for (const userRevision of [1, 2, 254, 255, 256, 257]) {
      t.match(await scene.store.sessions.create(scene.newSession({ userRevision })), { outcome: 'user_changed' })
    }
    const session = await scene.login({ userRevision: 258 })
    t.strictSame(await scene.read(session), session)
    t.match(await scene.rotate(session), { outcome: 'rotated' })
    await scene.store.users.change('ana', { scope: '' })
    t.match(await scene.rotate(session), { outcome: 'user_changed' })
  })

  t.test('a subject without a user record has sessions, until a user of that name is added', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login({ sub: 'from elsewhere', userRevision: 0 })
    const rotated = await scene.advanceGeneration(session)
    t.match(rotated, { generation: 2, userRevision: 0 })
    await scene.store.users.add({ sub: 'from elsewhere', passwordHash: '', roles: [], scope: '' })
    t.match(await scene.rotate(rotated), { outcome: 'user_changed' })
    const { outcome } = await scene.store.sessions.create(scene.newSession({ sub: 'from elsewhere', userRevision: 0 }))
    t.equal(outcome, 'user_changed')
  })

  t.test('a change that races with sign-ins and rotations leaves no living session behind', async (t) => {
    const scene = await openScene(t, open, clock)
    for (let round = 1; round <= 10; round += 1) {
      const session = await scene.login({ userRevision: round })
      const creates = () => Array.from({ length: 3 }, () => scene.newSession({ userRevision: round }))
      const fresh = [...creates(), ...creates()]
      const started = fresh.slice(0, 3).map((one) => scene.store.sessions.create(one))
      const changed = scene.store.users.change('ana', { passwordHash: `${round}` })
      const later = [scene.rotate(session), ...fresh.slice(3).map((one) => scene.store.sessions.create(one))]
      await Promise.all([...started, changed, ...later])
      for (const { sid } of [session, ...fresh]) {
        const token = { sid, generation: 1, issuedAtSeconds: Math.floor(clock.nowMs / 1000) }
        const { outcome } = await scene.store.sessions.rotate(token, 0)
        t.ok(['unknown', 'user_changed', 'revoked'].includes(outcome), outcome)
      }
    }
  })

  t.test('whoever was ended signs in again at once, though the clock was set back since', async (t) => {
    const scene = await openScene(t, open, clock)
    await scene.login()
    await scene.store.users.change('ana', { passwordHash: 'another' })
    clock.advance(6 * hour)
    const { at } = await scene.store.sessions.endAll('ana', 'password_changed')
    clock.advance(-6 * hour)
    const session = await scene.login({ userRevision: 2 })
    // What the end refuses is what was authenticated before it (`subject` in store.ts).
    t.equal(session.createdAt, at)
    const rotated = await scene.advanceGeneration(session)
    t.match(rotated, { generation: 2 })
    t.strictSame(await scene.store.sessions.list('ana'), [rotated])
    clock.advance(6 * hour)
    t.match(await scene.rotate(rotated), { outcome: 'rotated' })
    await scene.store.users.add({ sub: 'bo', passwordHash: '', roles: [], scope: '' })
    t.equal((await scene.login({ sub: 'bo' })).createdAt, clock.nowMs, 'another user is not touched by it')
  })
  t.end()
}
