// Tests of durations and rates as people write them.
import t from 'tap'
import { parseDurationMs, parseRate, writeDuration } from '../../../plugins/clocks/durations.ts'

t.test('durations and rates are read as people write them', async (t) => {
  const durations = { '0s': 0, '500ms': 500, '10s': 10_000, '5m': 300_000, '2h': 7_200_000, '7d': 604_800_000 }
  for (const [text, ms] of Object.entries(durations)) t.equal(parseDurationMs(text), ms, text)
  for (const text of ['', '10', 's', '01s', '1 s', '1w', '1s1s', '9999999999s'])
    t.equal(parseDurationMs(text), undefined, text)
  t.strictSame(parseRate('10/1m'), { max: 10, windowMs: 60_000 })
  for (const text of ['10', '/1m', '10/', '0/1m', '10/0s', '10/1m/1m', '9999999999/1m'])
    t.equal(parseRate(text), undefined, text)
})

t.test('a duration is written in its largest whole unit', async (t) => {
  const durations = {
    '1ms': 1,
    '1500ms': 1500,
    '2s': 2000,
    '90s': 90_000,
    '1m': 60_000,
    '1h': 3_600_000,
    '7d': 604_800_000,
  }
  for (const [text, ms] of Object.entries(durations)) t.equal(writeDuration(ms), text)
})
