// `npm run bench -- regulation`: what the login limit does to an office, to attackers and to an owner. Nothing is measured: the
// rule is simulated under a clock that is held, so the figures are the same on any machine.
import { simulateAttack, simulateOffice, simulateSpray } from './simulation.ts'

/** Prints the figures as docs/threat-model.md quotes them. */
export async function printRegulation(): Promise<void> {
  const office = await simulateOffice()
  const attack = await simulateAttack()
  const spray = await simulateSpray()
  const rows = [
    ['office of 330 behind one address, 30 minutes, nobody known: median wait', `${office.medianWaitSeconds} s`],
    ['the same: longest wait', `${office.maxWaitSeconds} s`],
    ['1,000 addresses on one account: guesses on the first day', `${attack.guesses[0]}`],
    ['the same: guesses on the seventh day', `${attack.guesses.at(-1)}`],
    ['its owner on a known device meanwhile: refused', `${attack.ownerRefused} of ${attack.ownerSignIns}`],
    ['one address on all accounts: guesses a day', `${spray.guesses}`],
  ]
  console.log('| login limit, simulated with the defaults | |\n|---|---|')
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
  console.log()
}
