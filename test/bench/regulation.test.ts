// The login limit over days: the very rule, under a clock that is held, and the figures that docs/threat-model.md gives.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { simulateAttack, simulateOffice, simulateSpray } from '../../bench/regulation/simulation.ts'

const threatModel = readFileSync(new URL('../../docs/threat-model.md', import.meta.url), 'utf8')

t.test('an office of 330 behind one address signs in within 30 minutes, and hardly anybody waits', async (t) => {
  const office = await simulateOffice()
  t.ok(office.failures > 60, `there were failures to count (${office.failures})`)
  t.equal(office.medianWaitSeconds, 0)
  t.ok(office.maxWaitSeconds < 60, `${office.maxWaitSeconds} s`)
  const clumsy = await simulateOffice(330, 300_000, 0.35)
  t.equal(clumsy.medianWaitSeconds, 0, 'within five minutes, every third password wrong')
})

t.test('1,000 addresses guess one account’s password, and its owner on a known device is never refused', async (t) => {
  const attack = await simulateAttack()
  for (const [at, guesses] of attack.guesses.entries()) t.ok(guesses > 0 && guesses <= 200, `day ${at + 1}: ${guesses}`)
  t.ok((attack.guesses[6] ?? 0) < (attack.guesses[0] ?? 0) / 2, 'the pause grows')
  t.ok(attack.ownerSignIns > 900)
  t.equal(attack.ownerRefused, 0)
  t.match(threatModel, `${attack.guesses[0]} on the first day and ${attack.guesses[6]} on the seventh`)
})

t.test('one address attempts passwords of many accounts', async (t) => {
  const { guesses } = await simulateSpray()
  t.ok(guesses <= 2600, `${guesses}`)
  t.match(threatModel, `${guesses.toLocaleString('en')} passwords a day`)
})
