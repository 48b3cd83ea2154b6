// Tests of how values of the config are written: durations, rates, and names that are nearly right.
import t from 'tap'
import { parseDurationMs, parseRate } from '../../../src/config/durations.ts'
import { nearestName } from '../../../src/config/nearest-name.ts'

t.test('durations, rates and near names are read as people write them', async (t) => {
  const durations = { '0s': 0, '500ms': 500, '10s': 10_000, '5m': 300_000, '2h': 7_200_000, '7d': 604_800_000 }
  for (const [text, ms] of Object.entries(durations)) t.equal(parseDurationMs(text), ms, text)
  for (const text of ['', '10', 's', '01s', '1 s', '1w', '1s1s', '9999999999s'])
    t.equal(parseDurationMs(text), undefined, text)
  t.strictSame(parseRate('10/1m'), { max: 10, windowMs: 60_000 })
  for (const text of ['10', '/1m', '10/', '0/1m', '10/0s', '10/1m/1m']) t.equal(parseRate(text), undefined, text)
  t.equal(nearestName('grase', ['grace', 'issuer']), 'grace')
  t.equal(nearestName('completely', ['grace', 'issuer']), undefined)
})
