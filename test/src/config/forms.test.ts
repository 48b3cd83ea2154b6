// Tests of names in the config that are nearly right.
import t from 'tap'
import { nearestName } from '../../../src/config/nearest-name.ts'

t.test('a name that is nearly right is found, another is not', async (t) => {
  t.equal(nearestName('grase', ['grace', 'issuer']), 'grace')
  t.equal(nearestName('completely', ['grace', 'issuer']), undefined)
})
