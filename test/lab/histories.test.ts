// The lab's histories against Cardea alone: a process of its own, nothing that has to be installed. What README quotes of them
// is held to what they find.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { histories, playAll } from '../../lab/histories.ts'
import type { Product } from '../../lab/product.ts'
import { start } from '../../lab/products/cardea.ts'

const patient = { timeout: 120_000 }
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

/** README's table of the lab: its head, then a row a history. */
function rowsOfReadme(): string[][] {
  const [, table = ''] = /`npm run lab`.*\n\n((?:\|.*\n)+)/.exec(readme) ?? []
  const rows = table.trim().split('\n')
  return rows.map((row) => row.slice(1, -1).split('|')).map((cells) => cells.map((cell) => cell.trim()))
}

t.test(
  'Cardea logs no owner out for a lost response, and a thief only outlives it a moment away, each time',
  async (t) => {
    const cardea = await start()
    t.teardown(() => cardea.close())
    const titles = Object.keys(histories)
    const outcomes = await playAll(cardea)
    t.strictSame(outcomes, [
      'client goes on',
      'client goes on',
      'client goes on',
      'session ended for both',
      'session ended for both',
      'session ended for both',
      'both go on',
      'refused',
    ])

    const [head = [], , ...rows] = rowsOfReadme()
    t.equal(head[1], cardea.name)
    t.strictSame(
      rows.map(([title, ofCardea]) => [title, ofCardea]),
      titles.map((title, at) => [title, outcomes[at]]),
    )
  },
)

t.test('with a grace of 0 s the thief a moment away is found, too, as README says', patient, async (t) => {
  const cardea = await start(0)
  t.teardown(() => cardea.close())
  const racing = histories['a thief refreshes a moment before the client, each time']
  t.equal(await racing?.(cardea), 'session ended for both')
  t.match(readme, '`CARDEA_GRACE=0s` closes that')
})

t.test('a product that honours every token for ever is seen through', patient, async (t) => {
  const careless: Product = {
    name: 'careless',
    windowMs: 0,
    signIn: async () => ({ refreshToken: 'the one', accessToken: 'the one' }),
    refresh: async () => ({ refreshToken: 'the one', accessToken: 'the one' }),
    use: async () => true,
    close: async () => undefined,
  }
  t.strictSame(await playAll(careless), [
    ...Array<string>(3).fill('client goes on'),
    ...Array<string>(4).fill('both go on'),
    'not noticed',
  ])
})

t.test('a product that takes none of its own tokens is a mistake, not a safe one', async (t) => {
  const dead: Product = {
    name: 'dead 1.0',
    windowMs: 0,
    signIn: async () => ({ refreshToken: 'x', accessToken: 'x' }),
    refresh: async () => undefined,
    use: async () => false,
    close: async () => undefined,
  }
  await t.rejects(playAll(dead), { message: 'dead 1.0 refuses an access token of a sign-in' })
})
