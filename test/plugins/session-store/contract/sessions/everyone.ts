// Contract: what is revoked beside single sessions (a subject, everyone, a token, a signing key), and what a reader is told of
// entries it cannot know.
import type { Test } from 'tap'
import type { RevocationEntry, Session } from '../../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../../support/clock.ts'
import { type ContractScene, hour, idleTtlSeconds, type OpenStore, openScene, second, within } from '../scene.ts'

const deadlineMs = 5000

async function entriesOf({ store }: ContractScene, kind: RevocationEntry['kind']): Promise<RevocationEntry[]> {
  const { revocations } = await store.sessions.readRevocations({ sinceMs: 0 }, 0)
  return revocations.filter((revocation) => revocation.kind === kind)
}

/** Moves the clock to this many ms behind a full second. */
function moveInto(clock: Clock, ms: number): void {
  clock.advance(second - (clock.nowMs % second) + ms)
}

export function testEveryone(t: Test, open: OpenStore, clock: Clock): void {
  t.test('ending all of a subject is one entry of the subject too, unless a session stays', async (t) => {
    const scene = await openScene(t, open, clock)
    const [, kept] = [await scene.login(), await scene.login()]
    await scene.store.sessions.endAll('ana', 'revoked_by_user', kept.sid)
    t.strictSame(await entriesOf(scene, 'subject'), [])
    clock.advance(1)
    const { revocations } = await scene.store.sessions.endAll('ana', 'password_changed')
    const subject = { kind: 'subject', sub: 'ana', at: clock.nowMs, reason: 'password_changed' }
    t.strictSame(
      (await scene.store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)).revocations,
      [...revocations, subject],
      'behind its sessions, which are named one by one',
    )
    clock.advance(1)
    await scene.store.sessions.endAll('ana', 'user_disabled')
    t.match(await entriesOf(scene, 'subject'), [subject, { reason: 'user_disabled' }], 'with nothing live left, too')
  })

  t.test("an exception that is another subject's session is one all the same: the subject is not named", async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    const foreign = 'BBBBBBBB000000000000000000000001'
    t.match(await scene.store.sessions.endAll('ana', 'revoked_by_user', foreign), {
      revocations: [{ sid: session.sid }],
    })
    t.strictSame(await entriesOf(scene, 'subject'), [])
  })

  t.test('everyone: no refresh of what began before succeeds, and read and list agree', async (t) => {
    const scene = await openScene(t, open, clock)
    await scene.store.users.add({ sub: 'bo', passwordHash: 'x', roles: [], scope: '' })
    const sessions = [await scene.login(), await scene.login({ sub: 'bo' })]
    const superseded = sessions[0] ?? (await scene.login())
    const rotated = await scene.advanceGeneration(superseded)
    moveInto(clock, 400)
    const young = await scene.login()
    const { at } = await scene.store.sessions.endEveryone('revoked_by_admin')
    t.equal(at, clock.nowMs + 600, 'the next full second')
    for (const session of [...sessions, rotated, young]) {
      const response = await scene.rotate(session)
      t.match(response, {
        outcome: 'revoked',
        reason: 'revoked_by_admin',
        session: { revokedAt: at, endReason: 'revoked_by_admin' },
      })
      t.match(await scene.read(session), { revokedAt: at, endReason: 'revoked_by_admin' })
      t.strictSame(await scene.store.sessions.end(session.sid, 'logout'), { revocations: [] }, 'it has ended already')
      t.match(await scene.rotate(session), { outcome: 'revoked', reason: 'revoked_by_admin' })
    }
    for (const sub of ['ana', 'bo']) t.strictSame(await scene.store.sessions.list(sub), [])
    t.strictSame(await scene.store.sessions.endAll('ana', 'logout'), { revocations: [], at: clock.nowMs })
    t.strictSame(await entriesOf(scene, 'everyone'), [{ kind: 'everyone', at, reason: 'revoked_by_admin' }])
    t.strictSame(await entriesOf(scene, 'session'), [], 'nobody is named')
  })

  t.test('everyone: a login in the same second, even the same millisecond, works and lives on', async (t) => {
    const scene = await openScene(t, open, clock)
    moveInto(clock, 400)
    const before = await scene.login()
    const { at } = await scene.store.sessions.endEveryone('revoked_by_admin')
    const session = await scene.login({ maxSessions: 1 })
    t.equal(session.createdAt, at, 'so that its access tokens are told from those before')
    t.strictSame(await scene.store.sessions.list('ana'), [session])
    t.match(await scene.read(before), { endReason: 'revoked_by_admin' }, 'it did not end by the limit')
    let newest: Session = session
    for (const ms of [0, 100, 500, 2000]) {
      clock.advance(ms)
      newest = await scene.advanceGeneration(newest)
      t.match(newest, { createdAt: at, generation: newest.generation })
    }
    t.strictSame(await scene.read(newest), newest)
    t.equal((await scene.store.sessions.end(session.sid, 'logout')).revocations.length, 1)
  })

  t.test(
    'everyone again: ends what began in between, in the same millisecond too; the last reason counts',
    async (t) => {
      const scene = await openScene(t, open, clock)
      moveInto(clock, 0)
      const [first] = [await scene.login(), await scene.store.sessions.endEveryone('revoked_by_admin')]
      const second = await scene.login()
      const { at } = await scene.store.sessions.endEveryone('password_changed')
      const third = await scene.login()
      t.match(await scene.rotate(first), { outcome: 'revoked' })
      t.match(await scene.rotate(second), {
        outcome: 'revoked',
        reason: 'password_changed',
        session: { revokedAt: at },
      })
      t.match(await scene.rotate(third), { outcome: 'rotated' })
      t.equal((await entriesOf(scene, 'everyone')).length, 2)
    },
  )

  t.test(
    'everyone: a session that began while the clock was ahead ends, too, and no passing time brings it back',
    async (t) => {
      const scene = await openScene(t, open, clock)
      moveInto(clock, 400)
      clock.jump(6 * hour)
      const ahead = await scene.login()
      clock.jump(-6 * hour)
      const usual = await scene.login()
      const { at } = await scene.store.sessions.endEveryone('revoked_by_admin')
      t.ok(at > ahead.createdAt && at <= ahead.createdAt + second, 'behind the latest of all')
      for (const session of [ahead, usual]) {
        t.match(await scene.read(session), { endReason: 'revoked_by_admin' })
        t.match(await scene.rotate(session), { outcome: 'revoked', reason: 'revoked_by_admin' })
      }
      t.strictSame(await scene.store.sessions.list('ana'), [])
      let next = await scene.login()
      for (const ms of [0, second, 7 * hour]) {
        clock.advance(ms)
        t.match(await scene.rotate(ahead), { outcome: 'revoked' })
        next = await scene.advanceGeneration(next)
      }
      t.strictSame(await scene.store.sessions.list('ana'), [next], 'whoever signed in since stays')
    },
  )

  t.test('everyone: what had ended by itself keeps its reason, and it lasts as long as a session', async (t) => {
    const scene = await openScene(t, open, clock)
    const [loggedOut, idle] = [await scene.login(), await scene.login()]
    await scene.store.sessions.end(loggedOut.sid, 'logout')
    clock.advance(second)
    await scene.store.sessions.endEveryone('revoked_by_admin')
    t.match(await scene.rotate(loggedOut), { outcome: 'revoked', reason: 'logout' })
    clock.advance(idleTtlSeconds * second)
    t.match(await scene.rotate(idle), { outcome: 'revoked', reason: 'revoked_by_admin' })
  })

  t.test('a token and a signing key are entries of the log, which dates them', async (t) => {
    const scene = await openScene(t, open, clock)
    const { position } = await scene.store.sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
    const waiting = scene.store.sessions.readRevocations(position, 60 * second)
    const at = clock.nowMs
    const token = await scene.store.sessions.revoke({ kind: 'token', jti: 'a token' })
    t.strictSame(token, { kind: 'token', jti: 'a token', at })
    t.strictSame((await within(deadlineMs, waiting)).revocations, [token], 'who waits is woken')
    clock.advance(1)
    const key = await scene.store.sessions.revoke({ kind: 'signing_key', kid: 'a key' })
    t.strictSame(key, { kind: 'signing_key', kid: 'a key', at: at + 1 })
    await scene.store.sessions.revoke({ kind: 'signing_key', kid: 'a key' })
    t.match((await scene.store.sessions.readRevocations(position, 0)).revocations, [token, key, { kid: 'a key' }])
  })

  t.test('so is a session that the store does not hold', async (t) => {
    const scene = await openScene(t, open, clock)
    const { sessions } = scene.store
    const { position } = await sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
    const lost = { kind: 'session', sid: 'L'.repeat(32), sub: 'ana', reason: 'logout' } as const
    const entries = [await sessions.revoke(lost), await sessions.revoke({ ...lost, sub: '' })]
    t.strictSame(entries, [
      { ...lost, at: clock.nowMs },
      { ...lost, sub: '', at: clock.nowMs },
    ])
    t.strictSame((await sessions.readRevocations(position, 0)).revocations, entries)
    t.equal(await sessions.read(lost.sid), undefined)
  })

  t.test('each of them wakes those who wait', async (t) => {
    const scene = await openScene(t, open, clock)
    const { sessions } = scene.store
    const verbs = [() => sessions.endAll('nobody', 'logout'), () => sessions.endEveryone('revoked_by_admin')]
    for (const verb of verbs) {
      const { position } = await sessions.readRevocations({ sinceMs: clock.nowMs }, 0)
      const waiting = sessions.readRevocations(position, 60 * second)
      await verb()
      t.match(await within(deadlineMs, waiting), { revocations: { length: 1 }, unknownEntries: 0, hasGap: false })
    }
  })

  t.test('a place that the log still holds has no gap, nor has a time', async (t) => {
    const scene = await openScene(t, open, clock)
    const { sessions } = scene.store
    for (let i = 0; i < 3; i += 1) await sessions.revoke({ kind: 'token', jti: `token ${i}` })
    for (const sinceMs of [0, clock.nowMs, clock.nowMs + 1]) {
      const page = await sessions.readRevocations({ sinceMs }, 0)
      t.match([page, await sessions.readRevocations(page.position, 0)], [{ hasGap: false }, { hasGap: false }])
    }
  })
  t.end()
}
