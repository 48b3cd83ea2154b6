// Contract: row `reused` of the rotation decision: a superseded token that is no longer honoured ends its session, and only that.
import type { Test } from 'tap'
import type { Clock } from '../../../../support/clock.ts'
import { graceMs, hour, type OpenStore, openScene, second } from '../scene.ts'

export function testReuse(t: Test, open: OpenStore, clock: Clock): void {
  t.test('reuse revokes the session in the same step, and no other session of the subject', async (t) => {
    const scene = await openScene(t, open, clock)
    const other = await scene.login()
    const first = await scene.login()
    const newest = await scene.advanceGeneration(first)
    await scene.deliver(newest)
    clock.advance(graceMs + 1)
    const outcome = await scene.rotate(first)
    const tombstone = { ...newest, provenGeneration: 2, revokedAt: clock.nowMs, endReason: 'revoked_by_reuse' }
    const revocation = { kind: 'session', sid: first.sid, sub: 'ana', at: clock.nowMs, reason: 'revoked_by_reuse' }
    t.strictSame(outcome, { outcome: 'reused', session: tombstone, revocations: [revocation] })
    t.strictSame(await scene.read(first), tombstone)
    t.strictSame(await scene.store.sessions.list('ana'), [other])
    t.match(await scene.rotate(other), { outcome: 'rotated' })
  })

  t.test('after a reuse every token of the session is revoked, the newest too, and says why', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const newest = await scene.advanceGeneration(first)
    await scene.deliver(newest)
    clock.advance(graceMs + 1)
    await scene.rotate(first)
    const ended = await scene.read(first)
    clock.advance(hour)
    for (const session of [newest, first, { ...newest, generation: 9 }]) {
      t.strictSame(await scene.rotate(session), { outcome: 'revoked', session: ended, reason: 'revoked_by_reuse' })
    }
  })

  t.test('a lost response excuses the proven token, not the one before', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    await scene.advanceGeneration(await scene.advanceGeneration(first))
    clock.advance(graceMs + 1)
    t.match(await scene.rotate(first), { outcome: 'reused' })
  })

  t.test('without grace a delivered successor makes the old token reuse at once', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    await scene.deliver(await scene.advanceGeneration(first))
    t.match(await scene.rotate(first, 0), { outcome: 'reused' })
  })

  t.test('an old token is reuse however lately the session was rotated since', async (t) => {
    const scene = await openScene(t, open, clock)
    const stolen = await scene.login()
    let session = stolen
    clock.advance(hour)
    for (let i = 0; i < 2; i += 1) session = await scene.advanceGeneration(session)
    clock.advance(hour)
    for (let i = 0; i < 8; i += 1) session = await scene.advanceGeneration(session)
    t.match(await scene.rotate(stolen), { outcome: 'reused' })
  })

  t.test('a reuse that races with the newest token leaves the session revoked', async (t) => {
    const scene = await openScene(t, open, clock)
    for (const newestFirst of [true, false]) {
      const first = await scene.login()
      const newest = await scene.advanceGeneration(first)
      await scene.deliver(newest)
      clock.advance(graceMs + second)
      const pair = newestFirst ? [newest, first] : [first, newest]
      const outcomes = await Promise.all(pair.map((session) => scene.rotate(session)))
      t.equal(outcomes.filter(({ outcome }) => outcome === 'reused').length, 1)
      t.match(await scene.read(first), { endReason: 'revoked_by_reuse' })
    }
  })
  t.end()
}
