// Contract: delivery proof (docs/architecture.md#delivery-proof).
import type { Test } from 'tap'
import type { Session } from '../../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../../support/clock.ts'
import { type ContractScene, graceMs, type OpenStore, openScene, sessionOf } from '../scene.ts'

/** The response did not arrive: the same token again, later than any grace. @returns the session afterwards */
async function retryLate(scene: ContractScene, session: Session): Promise<Session> {
  scene.clock.advance(graceMs + 1)
  const outcome = await scene.rotate(session)
  if (outcome.outcome !== 'retried' || outcome.why !== 'lost_answer') throw new Error(outcome.outcome)
  return outcome.session
}

export function testDelivery(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a mark proves its generation for good; sent twice it is one', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    t.equal(session.provenGeneration, 0)
    t.strictSame(await scene.deliver(session), [])
    t.strictSame(await scene.deliver(session), [])
    t.strictSame(await scene.read(session), { ...session, provenGeneration: 1 })
    const newest = await scene.advanceGeneration(session)
    t.equal(newest.provenGeneration, 1)
    t.strictSame(await scene.read(session), newest)
  })

  t.test('a mark of a generation that is proven or superseded changes nothing', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const newest = await scene.advanceGeneration(first)
    for (const generation of [0, 1]) t.strictSame(await scene.deliver({ ...newest, generation }), [])
    t.strictSame(await scene.read(first), newest)
    t.match(await retryLate(scene, first), { generation: 3, provenGeneration: 1 })
  })

  t.test('a mark of a generation that the store has lost proves its newest', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const newest = await scene.advanceGeneration(first)
    t.strictSame(await scene.deliver({ ...newest, generation: 4_294_967_295 }), [])
    t.strictSame(await scene.read(first), { ...newest, provenGeneration: 2 })
  })

  t.test('a mark of a generation that a late retry has skipped proves it, and is told once', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const taken = await scene.advanceGeneration(first)
    const late = await retryLate(scene, await retryLate(scene, first).then(() => first))
    t.match(late, { generation: 4, provenGeneration: 1 })
    t.strictSame(await scene.deliver(taken), [{ sid: first.sid, generation: 2 }])
    t.strictSame(await scene.deliver(taken), [], 'told already')
    t.strictSame(await scene.read(first), { ...late, provenGeneration: 2 })
    t.strictSame(await scene.deliver(late), [], 'the newest was not skipped')
    t.strictSame(await scene.deliver({ ...late, generation: 3 }), [], 'its client has gone on since')
    clock.advance(graceMs + 1)
    t.match(await scene.rotate(taken), { outcome: 'reused' })
  })

  t.test('marks come in batches: the known are marked, the unknown and the ended are passed over', async (t) => {
    const scene = await openScene(t, open, clock)
    const [live, other, ended] = [await scene.login(), await scene.login(), await scene.login()]
    await scene.store.sessions.end(ended.sid, 'logout')
    const tombstone = await scene.read(ended)
    const sids = [ended.sid, 'AAAAAAAAunknown00000000000000000', live.sid]
    await scene.store.sessions.markDelivered(sids.map((sid) => ({ sid, generation: 1 })))
    await scene.store.sessions.markDelivered([])
    t.equal((await scene.read(live))?.provenGeneration, 1)
    t.strictSame(await scene.read(other), other)
    t.strictSame(await scene.read(ended), tombstone)
  })

  t.test('a mark that races with a rotation never proves the successor', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await Promise.all([scene.rotate(session), scene.deliver(session), scene.deliver(session)])
    t.match(await scene.read(session), { generation: 2, provenGeneration: 1 })
  })

  t.test('a retry within the grace proves what it presents', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const second = await scene.advanceGeneration(first)
    const third = await retryLate(scene, first)
    t.strictSame(await scene.rotate(second), {
      outcome: 'retried',
      session: { ...third, provenGeneration: 2 },
      why: 'concurrent',
    })
    clock.advance(graceMs + 1)
    t.match(await scene.rotate(first), { outcome: 'reused' })
    t.ok(sessionOf(await scene.store.sessions.create(scene.newSession())))
  })
  t.end()
}
