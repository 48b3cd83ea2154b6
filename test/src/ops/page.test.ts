// The parts of the operators' page that need no browser: its words, its reading of the stream, its counting, its addresses.
import t from 'tap'
import { ruleTable } from '../../../plugins/audit/rules.ts'
import { linkTo, parseRoute } from '../../../src/ops/route.js'
import { eventStreamReader } from '../../../src/ops/state/event-stream.js'
import { countsOf, rowsOf, sentenceOf, shortCount, sum, timesOf, withAudit } from '../../../src/ops/state/history.js'
import { lagOf } from '../../../src/ops/state/nodes.js'
import { fillPage } from '../../../src/ops/state/pages.js'
import { distance, length, preciseLength, utcTime } from '../../../src/ops/words/moments.js'
import { outcomes, reasonsOf, wordsOf } from '../../../src/ops/words/reasons.js'
import { doneOf, factsOf } from '../../../src/ops/words/signals.js'

t.test('the page has words for every reason, and for one that it does not know its name', async (t) => {
  t.match(wordsOf('reused'), { title: 'Refresh token reused', tone: 'alarm', refresh: 'reused' })
  t.match(wordsOf('constructor'), { title: 'constructor', tone: 'plain' })
  t.match(wordsOf('something_new'), { title: 'something new', tone: 'plain' })
  for (const { key } of outcomes) t.ok(reasonsOf(key).length > 0, key)
})

t.test('a stream is read whichever way it is cut', async (t) => {
  const text =
    ': hello\n\nevent: event\ndata: {"a":1}\n\ndata: x\ndata:y\n\nevent: usage\r\ndata: {}\r\n\r\nevent: no data\n\n'
  const expected = [
    { type: 'event', data: '{"a":1}' },
    { type: 'message', data: 'x\ny' },
    { type: 'usage', data: '{}' },
  ]
  for (let size = 1; size <= text.length; size += 1) {
    const read = eventStreamReader()
    const found = []
    for (let at = 0; at < text.length; at += size) found.push(...read(text.slice(at, at + size)))
    t.strictSame(found, expected, `in pieces of ${size}`)
  }
  t.throws(() => eventStreamReader()('data: '.padEnd(1_000_002, 'x')), RangeError)
})

const history = {
  step_seconds: 60,
  from: '2026-11-23T12:00:00.000Z',
  reasons: { rotated: [5, 6, 7], retried_lost_answer: [0, 1, 0], retried_concurrent: [1, 0, 0] },
}

t.test('counts of reasons are added up, and a live count moves the window on', async (t) => {
  t.strictSame(countsOf(history, reasonsOf('retried')), [1, 1, 0])
  t.equal(sum(countsOf(history, ['rotated'])), 18)
  t.equal(timesOf(history).at(-1), Date.parse('2026-11-23T12:02:00Z') / 1000)
  const inside = withAudit(history, { at: '2026-11-23T12:02:59Z', counts: { rotated: 2, reused: 1 } })
  t.strictSame(inside.reasons['rotated'], [5, 6, 9])
  t.strictSame(inside.reasons['reused'], [0, 0, 1])
  const beyond = withAudit(history, { at: '2026-11-23T12:04:00Z', counts: { rotated: 3 } })
  t.strictSame(beyond.reasons['rotated'], [7, 0, 3])
  t.equal(beyond.from, '2026-11-23T12:02:00.000Z')
  t.strictSame(history.reasons.rotated, [5, 6, 7], 'the old one is left alone')
  for (const at of ['2026-11-23T11:59:00Z', 'never'])
    t.equal(withAudit(history, { at, counts: { rotated: 1 } }), history)
  t.strictSame(withAudit(history, { at: '2027-11-23T12:00:00Z', counts: {} }).reasons['rotated'], [0, 0, 0])
  t.equal(sentenceOf(history, 'hour'), 'Refreshes in the last hour: 18 refreshed, 2 retried, 0 refused, 0 reused.')
  t.strictSame(rowsOf(history)[0]?.counts, [7, 0, 0, 0], 'newest first')
})

t.test('a page is filled from as many responses as it takes, in order, and given up after so many', async (t) => {
  const asked: [after: string | undefined, limit: number][] = []
  const read = async (after: string | undefined, limit: number) => {
    asked.push([after, limit])
    const from = Number(after ?? 0)
    const rows = [[], [1, 2], [], [3, 4, 5]][from] ?? []
    return { rows, ...(from < 100 && { next: String(from + 1) }) }
  }
  t.strictSame(await fillPage(read, undefined, 5), { rows: [1, 2, 3, 4, 5], next: '4' })
  const limits = [
    [undefined, 5],
    ['1', 5],
    ['2', 3],
    ['3', 3],
  ]
  t.strictSame(asked, limits, 'no more is asked for than is wanted')
  t.strictSame(await fillPage(read, '3', 5), { rows: [3, 4, 5], next: '13' })
  t.equal(asked.length, 14)
  t.strictSame(await fillPage(read, '99', 5), { rows: [], next: undefined })
})

t.test('what a signal did is said of the whole subject where it ended that, and its seconds are lengths', async (t) => {
  for (const [rule, { ends }] of Object.entries(ruleTable)) {
    const done = doneOf({ rule, action: 'revoke' })
    t.equal(done, ends === 'subject' ? 'All sessions of the subject were ended' : 'The session was ended', rule)
  }
  t.equal(doneOf({ rule: 'reuse', action: 'report' }), 'Reported only')
  t.match(doneOf({ rule: 'reuse', action: 'login' }), /^All sessions .* sign in again$/)
  t.equal(doneOf({ rule: 'new', action: 'something_else' }), 'something_else')
  const shown = factsOf({ count: 1200, window_seconds: 600, network_before: '192.0.2.0/24', token_age_seconds: 'none' })
  t.strictSame(shown, [
    ['count', (1200).toLocaleString()],
    ['window', '10 min'],
    ['network before', '192.0.2.0/24'],
    ['token age', 'none'],
  ])
})

t.test('a count on the axis of the chart is short, however great', async (t) => {
  t.strictSame([0, 4, 999].map(shortCount), ['0', '4', '999'])
  for (let count = 1; count < 1e12; count *= 7) t.ok(shortCount(count).length <= 5, shortCount(count))
  t.not(shortCount(120_000), shortCount(20_000))
})

t.test('an address says which view, whatever stands in it', async (t) => {
  t.strictSame(parseRoute(''), { steps: ['now'], query: {} })
  t.strictSame(parseRoute('#/sessions/a%2Fb'), { steps: ['sessions', 'a/b'], query: {} })
  t.strictSame(parseRoute('#/%E0%A4%A').steps, ['%E0%A4%A'])
  const link = linkTo(['events'], { sub: 'a b&c', reason: undefined, sid: '' })
  t.equal(link, '#/events?sub=a+b%26c')
  t.strictSame(parseRoute(link), { steps: ['events'], query: { sub: 'a b&c' } })
})

t.test('lengths of time have one unit, and a node that lags is told from one that is gone', async (t) => {
  t.strictSame([0, 999, 59_999, 3_599_999, 172_800_000].map(length), [
    'a moment',
    'a moment',
    '59 s',
    '59 min',
    '2 days',
  ])
  t.strictSame([240.4, 2100, 61_000].map(preciseLength), ['240 ms', '2.1 s', '1 min'])
  t.equal(distance(0, 500), 'just now')
  t.equal(distance(0, 120_000), '2 min ago')
  t.equal(distance(120_000, 0), 'in 2 min')
  t.equal(distance(4999, 0), 'just now', 'the clock of the page ticks every five seconds')
  t.equal(utcTime(0), '1970-01-01 00:00:00 UTC')
  const node = { node: 'a', started_at: '', revocation_entries: 0, version: '' }
  const seen = new Date(100_000).toISOString()
  t.equal(lagOf({ ...node, seen_at: seen, revocation_log_age_ms: 5000 }, 130_000), undefined)
  t.equal(lagOf({ ...node, seen_at: seen, revocation_log_age_ms: 5001 }, 130_000), 'late')
  t.equal(lagOf({ ...node, seen_at: seen, revocation_log_age_ms: 0 }, 130_001), 'unseen')
})
