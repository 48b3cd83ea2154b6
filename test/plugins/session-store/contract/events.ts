// The store contract, part: what happened. Events in order and filtered, counts over nodes, sessions seen alive, signals told
// once, nodes, and timelines that are folded as `appendStep` folds them.
import fc from 'fast-check'
import type { Test } from 'tap'
import type { Reason } from '../../../../plugins/audit/reasons/index.ts'
import {
  type EventBatch,
  type EventStoreLimits,
  type NewEvent,
  type Signal,
  signalLimit,
  type TimelineStep,
  timelineBatchLimit,
} from '../../../../plugins/session-store/port/events.ts'
import { appendStep, readTimeline } from '../../../../plugins/session-store/port/timeline.ts'
import type { Clock } from '../../../support/clock.ts'
import type { OpenStore } from './scene.ts'

const limits: EventStoreLimits = { events: 10_000, timelineEntries: 4 }
const noSid = 'AAAAAAAA000000000000000000000000'
let batches = 0

function batchOf(clock: Clock, change: Partial<EventBatch> = {}): EventBatch {
  batches += 1
  const empty = { events: [], counts: {}, active: [], signals: [] }
  return { run: 'run', id: batches, at: clock.nowMs, ...empty, ...change }
}

const eventOf = (sub: string, reason: Reason = 'rotated', at = 0): NewEvent => {
  return { at, node: 'one', reason, granted: true, sub }
}

function signalOf(id: string, at: number): Signal {
  const why = 'because'
  return {
    id,
    rule: 'reuse',
    at,
    node: 'one',
    severity: 'alarm',
    what: id,
    numbers: { seen: 2 },
    threshold: 1,
    why,
    action: 'report',
  }
}

const sidOf = (n: number) => `AAAAAAAA${String(n).padStart(24, '0')}`

/** Events and what is made of them. */
export function testEvents(t: Test, open: OpenStore, clock: Clock): void {
  const openEvents = async (t: Test) => {
    const store = await open(clock)
    t.teardown(() => store.close())
    return store.events
  }
  testPages(t, openEvents, clock)
  testCounts(t, openEvents, clock)
  testSignals(t, openEvents, clock)
  testTimelines(t, openEvents, clock)
}

type OpenEvents = (
  t: Test,
) => ReturnType<OpenStore> extends Promise<infer S extends { events: unknown }> ? Promise<S['events']> : never

function testPages(t: Test, open: OpenEvents, clock: Clock): void {
  t.test('events come back newest first, whole, a page at a time', async (t) => {
    const events = await open(t)
    const whole: NewEvent = {
      ...{
        at: 5,
        node: 'one',
        reason: 'rotated',
        granted: true,
        sub: 'ana',
        sid: sidOf(1),
        generation: 2,
        client: 'curl',
      },
      ...{ network: '192.0.2.0/24', tokenAgeSeconds: 7, actor: 'root', detail: '“quoted”\n' },
      ...{ requestId: 'abc-1', method: 'GET', route: '/orders/*', instance: 'http://127.0.0.1:9' },
    }
    await events.append(batchOf(clock, { events: [eventOf('a'), eventOf('b'), whole] }), limits)
    await events.append(batchOf(clock, { events: [{ ...eventOf('c'), node: 'two' }] }), limits)
    const first = await events.page({}, { limit: 2 })
    t.strictSame(
      first.events.map(({ id, ...event }) => event),
      [{ ...eventOf('c'), node: 'two' }, whole],
    )
    for (const { id } of first.events) t.match(id, /^\d{1,15}-\d{1,19}$/)
    const second = await events.page({}, { before: first.next, limit: 50 })
    t.match(second, { events: [{ sub: 'b' }, { sub: 'a' }], next: undefined })
    const after = await events.page({}, { after: second.events[0]?.id, limit: 50 })
    t.strictSame(after.events, first.events)
    t.match(await events.page({ requestId: 'abc-1' }, { limit: 9 }), { events: [{ sub: 'ana' }], next: undefined })
    t.match(await events.page({ requestId: 'abc' }, { limit: 9 }), { events: [] }, 'no part of one')
  })

  t.test('what lasts stays when a flood pushes the rest out, in its place and once', async (t) => {
    const events = await open(t)
    const few = { ...limits, events: 200 }
    const lasting = [eventOf('ana', 'user_added'), eventOf('ana', 'reused')]
    const [first, second] = lasting
    if (!first || !second) throw new Error('two events')
    await events.append(
      batchOf(clock, { events: [eventOf('bob'), first, eventOf('bob')], lasting: new Set([first]) }),
      few,
    )
    await events.append(batchOf(clock, { events: [second, eventOf('bob')], lasting: new Set([second]) }), few)
    const all = async () => {
      const seen = []
      for (let before: string | undefined, more = true; more; ) {
        const page = await events.page({}, { before, limit: 150 })
        seen.push(...page.events)
        before = page.next
        more = before !== undefined
      }
      return seen
    }
    t.match(
      (await all()).map(({ reason }) => reason),
      ['rotated', 'reused', 'rotated', 'user_added', 'rotated'],
      'each once',
    )
    for (let i = 0; i < 10; i += 1) {
      await events.append(batchOf(clock, { events: Array.from({ length: 200 }, () => eventOf('bob')) }), few)
    }
    t.match(await events.page({ sub: 'ana' }, { limit: 10 }), {
      events: [{ reason: 'reused' }, { reason: 'user_added' }],
      next: undefined,
    })
    const seen = await all()
    t.ok(seen.length < 1000, 'the flood has pushed itself out')
    t.match(
      seen.slice(-2).map(({ reason }) => reason),
      ['reused', 'user_added'],
    )
    t.equal(new Set(seen.map(({ id }) => id)).size, seen.length)
    for (let i = 0; i < 10; i += 1) {
      const more = Array.from({ length: 200 }, () => eventOf('eve', 'logout'))
      await events.append(batchOf(clock, { events: more, lasting: new Set(more) }), few)
    }
    t.ok((await all()).length < 1000, 'it has a bound, too')
  })

  t.test('before the first place there is nothing', async (t) => {
    const events = await open(t)
    await events.append(batchOf(clock, { events: [eventOf('a')], signals: [signalOf('first', clock.nowMs)] }), limits)
    for (const before of ['0-0', '000-0', '0-00']) {
      t.strictSame(await events.page({}, { before, limit: 5 }), { events: [], next: undefined })
      t.strictSame(await events.page({ sub: 'a' }, { before, limit: 5 }), { events: [], next: undefined })
      t.strictSame(await events.signals({}, { before, limit: 5 }), { signals: [], next: undefined })
    }
  })

  t.test('a filter finds its own by session, subject and reason, and looks at a bounded number', async (t) => {
    const events = await open(t)
    await events.append(batchOf(clock, { events: [{ ...eventOf('ana', 'reused'), sid: sidOf(7) }] }), limits)
    for (let i = 0; i < 30; i += 1) {
      await events.append(batchOf(clock, { events: Array.from({ length: 200 }, () => eventOf('bob')) }), limits)
    }
    for (const filter of [{ sub: 'ana' }, { sid: sidOf(7) }, { reason: 'reused' }]) {
      const short = await events.page(filter, { limit: 10 })
      t.match(short, { events: [], next: String }, 'the scan ended before it was found')
      t.match(await events.page(filter, { before: short.next, limit: 10 }), {
        events: [{ sub: 'ana' }],
        next: undefined,
      })
    }
    t.equal((await events.page({ sub: 'bob', reason: 'rotated' }, { limit: 10 })).events.length, 10)
    t.strictSame(await events.page({ sub: 'bob', reason: 'reused' }, { before: '1-0', limit: 10 }), {
      events: [],
      next: undefined,
    })
  })

  t.test('the stream is capped, and a batch that is sent twice counts once', async (t) => {
    const events = await open(t)
    const batch = batchOf(clock, {
      events: [eventOf('a')],
      counts: { rotated: 1 },
      signals: [signalOf('s1', clock.nowMs)],
    })
    const first = await events.append(batch, limits)
    t.strictSame(await events.append(batch, limits), first, 'with the same response')
    t.equal((await events.page({}, { limit: 50 })).events.length, 1)
    t.strictSame((await events.history('hour', clock.nowMs)).reasons['rotated']?.at(-1), 1)
    for (let i = 0; i < 10; i += 1) {
      await events.append(batchOf(clock, { events: Array.from({ length: 200 }, () => eventOf('b')) }), {
        ...limits,
        events: 100,
      })
    }
    let kept = 0
    for (let next: string | undefined = '999999999999999-0'; next !== undefined; ) {
      const page = await events.page({}, { before: next, limit: 200 })
      kept += page.events.length
      next = page.next
    }
    t.ok(kept >= 100 && kept <= 400, `about 100: ${kept}`)
  })
}

function testCounts(t: Test, open: OpenEvents, clock: Clock): void {
  t.test('counts of all nodes are added up by minute and by ten minutes', async (t) => {
    const events = await open(t)
    const startedAt = clock.nowMs
    await events.append(batchOf(clock, { counts: { rotated: 3, login_ok: 1 } }), limits)
    await events.append(batchOf(clock, { counts: { rotated: 2 } }), limits)
    clock.advance(60_000)
    await events.append(batchOf(clock, { counts: { rotated: 10 } }), limits)
    const hour = await events.history('hour', clock.nowMs)
    t.equal(hour.from, Math.floor(clock.nowMs / 60_000) * 60_000 - 59 * 60_000)
    t.strictSame(hour.reasons['rotated'], [...new Array(58).fill(0), 5, 10])
    t.equal(hour.reasons['login_ok']?.at(-2), 1)
    clock.advance(3_600_000)
    t.strictSame(
      (await events.history('hour', clock.nowMs)).reasons,
      {},
      'an hour later it is no part of the last hour',
    )
    const day = await events.history('day', clock.nowMs)
    t.equal(day.reasons['rotated']?.length, 144)
    t.equal(
      day.reasons['rotated']?.reduce((sum, count) => sum + count, 0),
      15,
    )
    t.ok(day.from <= startedAt)
    clock.advance(86_400_000)
    t.strictSame((await events.history('day', clock.nowMs)).reasons, {})
  })

  t.test('sessions seen alive are counted once, for an hour and for a day', async (t) => {
    const events = await open(t)
    const active = Array.from({ length: 20 }, (_, i) => sidOf(i))
    await events.append(batchOf(clock, { active }), limits)
    await events.append(batchOf(clock, { active: active.slice(0, 5) }), limits)
    t.strictSame(await events.countActive(clock.nowMs), { hour: 20, day: 20 })
    clock.advance(2 * 3_600_000)
    t.strictSame(await events.countActive(clock.nowMs), { hour: 0, day: 20 })
    clock.advance(26 * 3_600_000)
    t.strictSame(await events.countActive(clock.nowMs), { hour: 0, day: 0 })
  })

  t.test('a node is known while it is heard of', async (t) => {
    const events = await open(t)
    const report = { startedAt: 1, revocationLogAgeMs: 2, revocationEntries: 3, version: '1' }
    await events.heartbeat({ node: 'b', seenAt: clock.nowMs, ...report })
    await events.heartbeat({ node: 'a', seenAt: clock.nowMs, ...report })
    clock.advance(9 * 60_000)
    await events.heartbeat({ node: 'b', seenAt: clock.nowMs, ...report })
    t.match(await events.nodes(clock.nowMs), [{ node: 'a' }, { node: 'b', seenAt: clock.nowMs, ...report }])
    clock.advance(2 * 60_000)
    t.match(await events.nodes(clock.nowMs), [{ node: 'b' }])
  })
}

function testSignals(t: Test, open: OpenEvents, clock: Clock): void {
  t.test('a signal that two nodes find is stored and told once', async (t) => {
    const events = await open(t)
    const [one, other] = [signalOf('s1', clock.nowMs), signalOf('s2', clock.nowMs)]
    t.strictSame(await events.append(batchOf(clock, { signals: [one] }), limits), { newSignals: ['s1'] })
    t.strictSame(await events.append(batchOf(clock, { signals: [one, other] }), limits), {
      newSignals: ['s2'],
    })
    t.strictSame(await events.signals({}, { limit: 10 }), { signals: [other, one], next: undefined }, 'newest first')
  })

  t.test('signals come back a page at a time, each once, of one severity if asked', async (t) => {
    const events = await open(t)
    const severities = ['alarm', 'info'] as const
    const found = Array.from({ length: 1200 }, (_, i) => ({
      ...signalOf(`page ${i}`, clock.nowMs),
      severity: severities[i % 2] ?? 'info',
    }))
    for (let i = 0; i < found.length; i += 200) {
      await events.append(batchOf(clock, { signals: found.slice(i, i + 200) }), limits)
    }
    const first = await events.signals({}, { limit: 3 })
    t.strictSame(first.signals, found.slice(-3).reverse())
    t.match(first.next, /^\d{1,15}-\d{1,19}$/)
    await events.append(batchOf(clock, { signals: [signalOf('newer', clock.nowMs)] }), limits)
    t.strictSame((await events.signals({}, { before: first.next, limit: 3 })).signals, found.slice(-6, -3).reverse())
    const alarms = await events.signals({ severity: 'alarm' }, { before: first.next, limit: 2 })
    t.strictSame(alarms.signals, [found.at(-4), found.at(-6)])
    t.equal((await events.signals({ severity: 'warning' }, { limit: 2 })).next, undefined)

    const ids: string[] = []
    for (let before: string | undefined = '999999999999999-0'; before !== undefined; ) {
      const page = await events.signals({}, { before, limit: 200 })
      ids.push(...page.signals.map(({ id }) => id))
      before = page.next
    }
    t.equal(new Set(ids).size, ids.length)
    t.ok(ids.length >= signalLimit && ids.length <= signalLimit + 201, `about ${signalLimit}: ${ids.length}`)
    const last = await events.signals({}, { limit: ids.length })
    t.strictSame(
      [last.signals.length, last.next],
      [ids.length, undefined],
      'a page that ends with the last has no next',
    )
  })
}

function testTimelines(t: Test, open: OpenEvents, clock: Clock): void {
  const markOf = (change: Partial<TimelineStep>): TimelineStep => ({
    ...{ sid: sidOf(1), at: clock.nowMs, reason: 'rotated', node: 'one', client: 'curl', network: '192.0.2.0/24' },
    ...{ generation: 1, keepUntil: clock.nowMs + 1e6 },
    ...change,
  })

  t.test('a timeline keeps the login and the newest, equal steps folded', async (t) => {
    const events = await open(t)
    await events.mark([markOf({ reason: 'login_ok' })], limits)
    for (let generation = 2; generation <= 50; generation += 1) {
      clock.advance(1000)
      await events.mark([markOf({ generation })], limits)
    }
    const [timeline = [], none] = await events.timelines([sidOf(1), noSid])
    t.strictSame(none, [])
    t.equal(timeline.length, 2)
    t.match(timeline[1], { count: 49, generation: 50, reason: 'rotated', until: Math.floor(clock.nowMs / 1000) * 1000 })
    const marks = Array.from({ length: 9 }, (_, i) => markOf({ network: `10.0.${i}.0/24` }))
    await events.mark([...marks, markOf({ reason: 'logout', generation: 0, keepUntil: 0 })], limits)
    const [[login, ...newest] = []] = await events.timelines([sidOf(1)])
    t.match(login, { reason: 'login_ok' })
    t.strictSame(
      newest.map(({ reason, network }) => [reason, network]),
      [
        ['rotated', '10.0.7.0/24'],
        ['rotated', '10.0.8.0/24'],
        ['logout', '192.0.2.0/24'],
      ],
    )
  })

  t.test('steps of any history are folded as the pure function folds them', async (t) => {
    const events = await open(t)
    let sid = 100
    const step = fc.record({
      reason: fc.constantFrom('login_ok', 'rotated', 'retried_lost_answer'),
      client: fc.constantFrom('', 'a%1b', 'c d'),
      generation: fc.nat(3),
      after: fc.constantFrom(-5000, 0, 400, 90_000),
    })
    const histories = fc.array(step, { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(histories, fc.integer({ min: 2, max: 5 }), async (steps, timelineEntries) => {
        sid += 1
        let at = clock.nowMs
        const marks = steps.map(({ after, ...step }) => {
          at += after
          return markOf({ sid: sidOf(sid), at, ...step })
        })
        const expected = marks.reduce((text, mark) => appendStep(text, mark, timelineEntries), '')
        await events.mark(marks, { ...limits, timelineEntries })
        t.strictSame(await events.timelines([sidOf(sid)]), [readTimeline(expected)])
      }),
      { numRuns: 60 },
    )
  })

  t.test('one call marks no more than its limit', async (t) => {
    const events = await open(t)
    const sids = Array.from({ length: timelineBatchLimit + 1 }, (_, i) => sidOf(i + 1))
    await events.mark(
      sids.map((sid) => markOf({ sid })),
      limits,
    )
    const marked = await events.timelines(sids.slice(-2))
    t.strictSame(
      marked.map((timeline) => timeline.length),
      [1, 0],
    )
    t.equal((await events.timelines(sids)).length, timelineBatchLimit, 'nor reads more')
  })

  t.test('what is no sid has no timeline', async (t) => {
    const events = await open(t)
    t.strictSame(await events.timelines(['', '*', `${sidOf(1)}\n`]), [[], [], []])
  })
}
