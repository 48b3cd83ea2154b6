// Contract: what a login writes, when it is refused, and how many sessions a subject may have.
import type { Test } from 'tap'
import { StoreUnavailable } from '../../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../../support/clock.ts'
import { absoluteTtlSeconds, idleTtlSeconds, type OpenStore, openScene, second } from '../scene.ts'

export function testCreating(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a login starts a session at generation 1, not delivered', async (t) => {
    const scene = await openScene(t, open, clock)
    const now = clock.nowMs
    const created = await scene.store.sessions.create(scene.newSession())
    const session = {
      sid: 'AAAAAAAA000000000000000000000001',
      sub: 'ana',
      generation: 1,
      provenGeneration: 0,
      rotatedAt: [now],
      createdAt: now,
      absoluteExpirySeconds: Math.floor(now / 1000) + absoluteTtlSeconds,
      idleTtlSeconds,
      roles: ['reader', 'writer'],
      scope: 'orders:read orders:write',
      device: 'Firefox on Linux',
      ip: '192.0.2.7',
      amr: ['pwd'],
      userRevision: 1,
    }
    t.strictSame(created, { outcome: 'created', session, revocations: [] })
    t.strictSame(await scene.store.sessions.read(session.sid), session)
    t.strictSame(await scene.store.sessions.list('ana'), [session])
  })

  t.test('text and lists are kept exactly: empty, long, quotes, separators, other alphabets', async (t) => {
    const scene = await openScene(t, open, clock)
    const odd = {
      roles: [],
      scope: '',
      device: `"';--\\ \u{1F980}${'é'.repeat(20)}`,
      ip: '2001:db8::1',
      amr: ['pwd', 'otp'],
    }
    const session = await scene.login(odd)
    t.match(session, odd)
    t.strictSame(await scene.read(session), session)
    const awkward = await scene.login({ roles: ['a,b', 'c d', '[]', ''] })
    t.strictSame((await scene.read(awkward))?.roles, ['a,b', 'c d', '[]', ''])
  })

  t.test('whether a session lives in a cookie is kept, through rotations and its end', async (t) => {
    const scene = await openScene(t, open, clock)
    for (const amr of [['pwd'], ['pwd', 'otp'], [], Array.from({ length: 100 }, (_, i) => `method ${i}`)]) {
      const inCookie = await scene.login({ inCookie: true, amr })
      const inBody = await scene.login({ amr })
      t.match(inCookie, { inCookie: true, amr })
      t.strictSame(await scene.read(inCookie), inCookie)
      t.strictSame(await scene.read(inBody), inBody)
      t.notOk('inCookie' in inBody)
      t.equal((await scene.advanceGeneration(inCookie)).inCookie, true)
      await scene.store.sessions.end(inCookie.sid, 'logout')
      t.match(await scene.read(inCookie), { inCookie: true, amr, endReason: 'logout' })
    }
  })

  t.test('a user changed, disabled or unknown since the password was checked gets no session', async (t) => {
    const scene = await openScene(t, open, clock)
    const { store } = scene
    const refused = { outcome: 'user_changed' }
    t.strictSame(await store.sessions.create(scene.newSession({ sub: 'nobody' })), refused)
    t.strictSame(await store.sessions.create(scene.newSession({ userRevision: 0 })), refused)
    t.strictSame(await store.sessions.create(scene.newSession({ userRevision: 2 })), refused)
    await store.users.change('ana', { passwordHash: 'another' })
    t.strictSame(await store.sessions.create(scene.newSession({ userRevision: 1 })), refused)
    await store.users.change('ana', { disabled: true })
    const late = scene.newSession({ userRevision: 3 })
    t.strictSame(await store.sessions.create(late), refused, 'disabled, though the revision is the newest')
    t.equal(await store.sessions.read(late.sid), undefined)
    t.strictSame(await store.sessions.list('ana'), [])
    await store.users.change('ana', { disabled: false })
    t.match(await store.sessions.create(scene.newSession({ userRevision: 4 })), { outcome: 'created' })
  })

  t.test('a refused login ends nothing, even at the session limit', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login({ maxSessions: 1 })
    await scene.store.sessions.create(scene.newSession({ maxSessions: 1, userRevision: 9 }))
    t.strictSame(await scene.store.sessions.list('ana'), [session])
  })

  t.test('a sid that exists already is an error, and what exists stays as it is', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    const again = scene.newSession({ sid: session.sid, device: 'another', maxSessions: 1 })
    const error = await scene.store.sessions.create(again).catch((error: unknown) => error)
    t.ok(error instanceof Error && !(error instanceof StoreUnavailable))
    t.strictSame(await scene.read(session), session)
    await scene.store.sessions.end(session.sid, 'logout')
    await t.rejects(scene.store.sessions.create(again), 'nor does it bring an ended session back')
    t.match(await scene.read(session), { endReason: 'logout' })
  })

  t.test('sessions are listed newest login first, and only the living ones of the subject', async (t) => {
    const scene = await openScene(t, open, clock)
    await scene.store.users.add({ sub: 'ana2', passwordHash: 'x', roles: [], scope: '' })
    const first = await scene.login()
    clock.advance(1)
    const ended = await scene.login()
    clock.advance(1)
    const second = await scene.login()
    clock.advance(1)
    const others = await scene.login({ sub: 'ana2' })
    await scene.store.sessions.end(ended.sid, 'logout')
    const rotated = await scene.advanceGeneration(first)
    t.strictSame(await scene.store.sessions.list('ana'), [second, rotated], 'by login, not by rotation')
    t.strictSame(await scene.store.sessions.list('ana2'), [others])
    t.strictSame(await scene.store.sessions.list('nobody'), [])
  })

  t.test('beyond the limit the oldest session ends with session_limit', async (t) => {
    const scene = await openScene(t, open, clock)
    const oldest = await scene.login({ maxSessions: 3 })
    clock.advance(second)
    const middle = await scene.login({ maxSessions: 3 })
    clock.advance(second)
    await scene.advanceGeneration(oldest)
    const third = await scene.login({ maxSessions: 3 })
    clock.advance(second)
    const created = await scene.store.sessions.create(scene.newSession({ maxSessions: 3 }))
    const revocation = { kind: 'session', sid: oldest.sid, sub: 'ana', at: clock.nowMs, reason: 'session_limit' }
    t.match(created, { outcome: 'created', revocations: [revocation] })
    t.strictSame((await scene.store.sessions.list('ana')).slice(1), [third, middle])
    t.match(await scene.rotate(oldest), { outcome: 'revoked', reason: 'session_limit' })
  })

  t.test(
    'a lowered limit ends as many as it takes, oldest first; ended, expired and other subjects do not count',
    async (t) => {
      const scene = await openScene(t, open, clock)
      await scene.store.users.add({ sub: 'bo', passwordHash: 'x', roles: [], scope: '' })
      const others = await scene.login({ sub: 'bo' })
      await scene.login({ idleTtlSeconds: 1 })
      clock.advance(second)
      const ended = await scene.login()
      await scene.store.sessions.end(ended.sid, 'logout')
      const lived = []
      for (let i = 0; i < 4; i += 1) {
        clock.advance(second)
        lived.push(await scene.login())
      }
      const created = await scene.store.sessions.create(scene.newSession({ maxSessions: 3 }))
      const reasons = created.outcome === 'created' && created.revocations.map(({ sid, reason }) => ({ sid, reason }))
      t.strictSame(
        reasons,
        lived.slice(0, 2).map(({ sid }) => ({ sid, reason: 'session_limit' })),
      )
      t.equal((await scene.store.sessions.list('ana')).length, 3)
      t.strictSame(await scene.store.sessions.list('bo'), [others])
      t.match(await scene.read(ended), { endReason: 'logout' })
    },
  )

  t.test('a limit of 1 means that a login ends the login before; parallel logins keep the limit', async (t) => {
    const scene = await openScene(t, open, clock)
    const logins = Array.from({ length: 10 }, () => scene.login({ maxSessions: 1 }))
    await Promise.all(logins)
    t.equal((await scene.store.sessions.list('ana')).length, 1)
  })
  t.end()
}
