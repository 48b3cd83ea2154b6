// The designs by name, each in every scenario; README's table "Rotation, by example" is held to what the scenarios find.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type PolicyName, policyNames } from '../../simulator/policies.ts'
import { play, type ScenarioName, scenarios } from './scenarios.ts'

// The keys of the object, which Object.keys widens to string.
const names = Object.keys(scenarios) as ScenarioName[]

/** The designs of README's table; the others are rules that Cardea had, or was tried with. */
const shown = ['cardea', 'strict', 'fixed-window', 'unlimited-parent'] as const satisfies PolicyName[]

/** What each design does in each scenario, by name. */
const expected: Record<PolicyName, Record<ScenarioName, string>> = {
  'newest-again': {
    lostResponse: 'goes on',
    tabsOutOfOrder: 'goes on',
    thiefLater: 'session ended at the replay',
    thiefWithinSeconds: 'session ended once both have refreshed again',
    thiefFirst: 'thief goes on',
    storeLostTheLastWrite: 'goes on',
  },
  'once-a-grace': {
    lostResponse: 'goes on',
    tabsOutOfOrder: 'goes on',
    thiefLater: 'session ended at the replay',
    thiefWithinSeconds: 'session ended once both have refreshed again',
    thiefFirst: 'session ended at the thief’s next refresh',
    storeLostTheLastWrite: 'goes on',
  },
  cardea: {
    lostResponse: 'goes on',
    tabsOutOfOrder: 'goes on',
    thiefLater: 'session ended at the replay',
    thiefWithinSeconds: 'session ended once both have refreshed again',
    thiefFirst: 'session ended at the thief’s next refresh',
    storeLostTheLastWrite: 'goes on',
  },
  strict: {
    lostResponse: 'logged out',
    tabsOutOfOrder: 'logged out',
    thiefLater: 'session ended at the replay',
    thiefWithinSeconds: 'session ended at the replay',
    thiefFirst: 'session ended at the client’s next refresh',
    storeLostTheLastWrite: 'logged out',
  },
  'fixed-window': {
    lostResponse: 'logged out',
    tabsOutOfOrder: 'goes on, forked in two',
    thiefLater: 'session ended at the replay',
    thiefWithinSeconds: 'thief goes on',
    thiefFirst: 'session ended at the client’s next refresh',
    storeLostTheLastWrite: 'logged out',
  },
  'unlimited-parent': {
    lostResponse: 'goes on',
    tabsOutOfOrder: 'logged out',
    thiefLater: 'thief goes on',
    thiefWithinSeconds: 'thief goes on',
    thiefFirst: 'thief goes on',
    storeLostTheLastWrite: 'logged out',
  },
}

for (const policy of policyNames) {
  t.test(`the design ${policy}, in every scenario`, async (t) => {
    for (const scenario of names) t.equal(play(scenario, policy), expected[policy][scenario], scenario)
  })
}

t.test(
  'Cardea without a grace: a tab out of order is taken for a thief, a thief within seconds is out at once',
  async (t) => {
    const graceMs = 0
    t.equal(play('lostResponse', 'cardea', { graceMs }), 'goes on', 'a lost response needs no grace')
    t.equal(play('tabsOutOfOrder', 'cardea', { graceMs }), 'logged out')
    t.equal(play('thiefWithinSeconds', 'cardea', { graceMs }), 'session ended at the replay')
  },
)

t.test(
  'Cardea with retries bound to the client: the thief within seconds is out at once, the tabs are not',
  async (t) => {
    const binding = 'client'
    for (const scenario of names.filter((name) => name !== 'thiefWithinSeconds')) {
      t.equal(play(scenario, 'cardea', { binding }), expected.cardea[scenario], scenario)
    }
    t.equal(play('thiefWithinSeconds', 'cardea', { binding }), 'session ended at the replay')
  },
)

t.test('README’s table of rotation is what the scenarios find', async (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const [, section = ''] = readme.split('\n## Rotation, by example\n')
  const cells = (line: string) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
  const [head = [], , ...rows] =
    section
      .split('\n## ', 1)[0]
      ?.split('\n')
      .filter((line) => line.split('|').length === shown.length + 3)
      .map(cells) ?? []
  const policies = head.slice(1).map((title) => title.toLowerCase().replace(' ', '-'))
  t.strictSame([...policies].sort(), [...shown].sort())
  const found = names.map((scenario) => [scenarios[scenario].title, ...shown.map((policy) => play(scenario, policy))])
  const order = shown.map((policy) => policies.indexOf(policy) + 1)
  t.strictSame(
    rows.map((row) => [row[0], ...order.map((column) => row[column])]),
    found,
  )
})
