// Contract: how long verbs take is kept where they run.
import type { Test } from 'tap'
import type { MeasuredVerb } from '../../../../plugins/session-store/verb-latency.ts'
import type { Clock } from '../../../support/clock.ts'
import { type OpenStore, openScene } from './scene.ts'

export function testLatency(t: Test, open: OpenStore, clock: Clock): void {
  t.test('each measured verb is counted when it runs, once', async (t) => {
    const scene = await openScene(t, open, clock)
    const { sessions, users, latency } = scene.store
    const countOf = (verb: MeasuredVerb) => latency.histograms.get(verb)?.counts.reduce((sum, one) => sum + one, 0) ?? 0
    const session = await scene.login()
    const { sid } = session
    const verbs: [MeasuredVerb, () => Promise<unknown>][] = [
      ['create', () => scene.login()],
      ['rotate', () => scene.rotate(session)],
      ['markDelivered', () => sessions.markDelivered([{ sid, generation: 2 }])],
      ['read', () => sessions.read(sid)],
      ['list', () => sessions.list('ana')],
      ['listAll', () => sessions.listAll(undefined, 10)],
      ['find', () => users.find('ana')],
      ['end', () => sessions.end(sid, 'logout')],
      ['endAll', () => sessions.endAll('ana', 'logout')],
    ]
    for (const [verb, run] of verbs) {
      const before = countOf(verb)
      await run()
      t.equal(countOf(verb), before + 1, verb)
    }
  })
}
