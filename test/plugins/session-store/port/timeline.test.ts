// A timeline as text: what is folded, what stays when it is full, and what a clock that was set back does to it. The stores are
// held to `appendStep` by the contract; here it is held to words.
import t from 'tap'
import type { TimelineStep } from '../../../../plugins/session-store/port/events.ts'
import { appendStep, readTimeline } from '../../../../plugins/session-store/port/timeline.ts'

const markOf = (change: Partial<TimelineStep>): TimelineStep => ({
  ...{ sid: 'a', at: 100_000, reason: 'rotated', node: 'n', client: 'curl', network: '192.0.2.0/24' },
  ...{ generation: 0, keepUntil: 0 },
  ...change,
})
const timelineOf = (limit: number, ...changes: Partial<TimelineStep>[]) =>
  changes.map(markOf).reduce((text, mark) => appendStep(text, mark, limit), '')

t.test('equal steps in a row are one entry: how long, how often, and the last generation that was named', async (t) => {
  const text = timelineOf(9, { generation: 2 }, { at: 161_900, generation: 3 }, { at: 170_000 })
  t.equal(text, '100\t70\t3\t3\trotated\tn\tcurl\t192.0.2.0/24')
  t.equal(timelineOf(9, { client: 'a' }, { client: 'b' }, { client: 'a' }).split('\n').length, 3)
})

t.test('a clock that was set back makes no entry shorter than nothing', async (t) => {
  t.equal(timelineOf(9, {}, { at: 40_000 }), '100\t0\t2\t0\trotated\tn\tcurl\t192.0.2.0/24')
})

t.test('what was handed over late is read in order of time', async (t) => {
  const text = timelineOf(9, { reason: 'login_ok' }, { at: 300_000, node: 'late' }, { at: 200_000 })
  t.strictSame(
    readTimeline(text).map(({ at }) => at),
    [100_000, 200_000, 300_000],
  )
})

t.test('what can only have come after the end is read after it, though both were in one second', async (t) => {
  const text = timelineOf(9, { reason: 'session_ended' }, { reason: 'reused' }, { reason: 'revoked_by_reuse' })
  t.strictSame(
    readTimeline(text).map(({ reason }) => reason),
    ['reused', 'revoked_by_reuse', 'session_ended'],
  )
})

t.test('beyond its limit the oldest entry leaves that is no sign-in at the beginning', async (t) => {
  const steps = ['a', 'b', 'c'].map((client) => ({ client }))
  const clients = (text: string) => readTimeline(text).map(({ client }) => client)
  t.strictSame(clients(timelineOf(2, ...steps)), ['b', 'c'])
  t.strictSame(clients(timelineOf(2, { reason: 'login_ok', client: 'login' }, ...steps)), ['login', 'c'])
})
