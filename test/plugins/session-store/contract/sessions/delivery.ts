// Contract: delivery proof (docs/architecture.md#delivery-proof).
import type { Test } from 'tap'
import type { Clock } from '../../../../support/clock.ts'
import { graceMs, type OpenStore, openScene } from '../scene.ts'

export function testDelivery(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a mark of the newest generation stays until the next rotation; sent twice it is one', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await scene.deliver(session)
    await scene.deliver(session)
    t.strictSame(await scene.read(session), { ...session, delivered: true })
    const newest = await scene.advanceGeneration(session)
    t.equal(newest.delivered, false)
    t.strictSame(await scene.read(session), newest)
  })

  t.test('a mark of an older generation, or of one that is not there yet, changes nothing', async (t) => {
    const scene = await openScene(t, open, clock)
    const first = await scene.login()
    const newest = await scene.advanceGeneration(first)
    await scene.deliver(first)
    await scene.deliver({ ...newest, generation: 3 })
    await scene.deliver({ ...newest, generation: 0 })
    t.strictSame(await scene.read(first), newest)
    clock.advance(graceMs + 1)
    t.match(await scene.rotate(first), { outcome: 'retried', why: 'lost_answer' })
  })

  t.test('marks come in batches: the known are marked, the unknown and the ended are passed over', async (t) => {
    const scene = await openScene(t, open, clock)
    const [live, other, ended] = [await scene.login(), await scene.login(), await scene.login()]
    await scene.store.sessions.end(ended.sid, 'logout')
    const tombstone = await scene.read(ended)
    const sids = [ended.sid, 'AAAAAAAAunknown00000000000000000', live.sid]
    await scene.store.sessions.markDelivered(sids.map((sid) => ({ sid, generation: 1 })))
    await scene.store.sessions.markDelivered([])
    t.equal((await scene.read(live))?.delivered, true)
    t.strictSame(await scene.read(other), other)
    t.strictSame(await scene.read(ended), tombstone)
  })

  t.test('a mark that races with a rotation never marks the successor', async (t) => {
    const scene = await openScene(t, open, clock)
    const session = await scene.login()
    await Promise.all([scene.rotate(session), scene.deliver(session), scene.deliver(session)])
    t.match(await scene.read(session), { generation: 2, delivered: false })
  })
  t.end()
}
