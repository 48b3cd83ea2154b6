// Contract: row `expired` of the rotation decision, at the edges.
import type { Test } from 'tap'
import type { Clock } from '../../../../support/clock.ts'
import { absoluteTtlSeconds, graceMs, idleTtlSeconds, type OpenStore, openScene, second } from '../scene.ts'

export function testExpiry(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a session is idle at exactly its idle time after the newest rotation, and not before', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    clock.advance(idleTtlSeconds * second - 1)
    const newest = await scene.advanceGeneration(first)
    clock.advance(idleTtlSeconds * second - 1)
    t.strictSame(await scene.store.sessions.list('ana'), [newest])
    clock.advance(1)
    t.strictSame(await scene.rotate(newest), { outcome: 'expired', session: newest, why: 'idle' })
    t.strictSame(await scene.store.sessions.list('ana'), [])
    t.strictSame(await scene.read(newest), newest, 'it expired, it was not ended')
  })

  t.test(
    'a retry within the grace does not keep a session from becoming idle, a late one makes a generation',
    async (t) => {
      const scene = await openScene(t, open, clock)
      const first = await scene.login()
      await scene.advanceGeneration(first)
      clock.advance(idleTtlSeconds * second - 1)
      const late = await scene.rotate(first)
      t.match(late, { outcome: 'retried', why: 'lost_answer' })
      const newest = 'session' in late && late.session
      clock.advance(graceMs)
      t.match(await scene.rotate(first), { outcome: 'retried', why: 'concurrent' })
      clock.advance(idleTtlSeconds * second - graceMs)
      t.strictSame(await scene.rotate(first), { outcome: 'expired', session: newest, why: 'idle' })
    },
  )

  t.test('a session refreshed every hour dies at its absolute expiry, which no rotation moves', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login({ absoluteTtlSeconds: 36_000 })
    t.equal(first.absoluteExpirySeconds, Math.floor(clock.nowMs / 1000) + 36_000)
    const expiryMs = first.absoluteExpirySeconds * 1000
    let session = first
    while (clock.nowMs + 3600 * second < expiryMs) {
      clock.advance(3600 * second)
      session = await scene.advanceGeneration(session)
      t.equal(session.absoluteExpirySeconds, first.absoluteExpirySeconds)
    }
    clock.advance(expiryMs - 1 - clock.nowMs)
    session = await scene.advanceGeneration(session)
    clock.advance(1)
    t.strictSame(await scene.rotate(session), { outcome: 'expired', session, why: 'absolute' })
  })

  t.test('beyond both limits the absolute one is the reason', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login({ idleTtlSeconds: 10, absoluteTtlSeconds: 20 })
    clock.advance(20 * second)
    t.strictSame(await scene.rotate(session), { outcome: 'expired', session, why: 'absolute' })
  })

  t.test('any token of an expired session is expired, a superseded or future one too, and ends nothing', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const newest = await scene.advanceGeneration(first)
    await scene.deliver(newest)
    clock.advance(idleTtlSeconds * second)
    const expired = { outcome: 'expired', session: { ...newest, provenGeneration: 2 }, why: 'idle' }
    t.strictSame(await scene.rotate(first), expired)
    t.strictSame(await scene.rotate({ ...newest, generation: 7 }), expired)
    t.strictSame(await scene.store.sessions.end(first.sid, 'logout'), { revocations: [] })
    t.strictSame(await scene.store.sessions.endAll('ana', 'logout'), { revocations: [], at: clock.nowMs })
    t.strictSame(await scene.read(first), expired.session)
  })

  t.test('a tombstone keeps its reason until the absolute expiry, long after the idle one', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await scene.store.sessions.end(session.sid, 'revoked_by_admin')
    clock.advance(absoluteTtlSeconds * second - graceMs)
    t.match(await scene.rotate(session), { outcome: 'revoked', reason: 'revoked_by_admin' })
  })
  t.end()
}
