// The rotation search, held to its promises: no history of up to ten moves logs an innocent owner out, and none leaves a thief's
// token worth anything once the owner has refreshed and gone on. Each clause of the rule is broken once, and the search finds it.
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { ownRule } from '../../../../simulator/rules.ts'
import { broken, ofRule, others } from './designs.ts'
import { explore, type Findings } from './explore.ts'
import { graceMs, type Possible, type SearchedDesign } from './world.ts'

const alone: Possible = {
  ...{ thief: false, failover: false, overtakenResponses: false, overtakenRequests: 'none' },
  ...{ grace: true, tabs: 2, underWay: 2 },
}
const robbed: Possible = { ...alone, thief: true, underWay: 1 }
const racing: Possible = { ...alone, overtakenRequests: 'at once', underWay: 0 }
const minutes = 60_000
/** Moves of the longest histories. */
const longest = 10

const withGrace = ofRule(ownRule, graceMs)
const withoutGrace = ofRule(ownRule, 0)

interface Promised {
  title: string
  possible: Possible
  /** Fewer situations than this would not be a search of all that can happen. */
  atLeast: number
}

const promises: Promised[] = [
  { title: 'an owner alone', possible: alone, atLeast: 300_000 },
  { title: 'requests that overtake each other', possible: racing, atLeast: 30_000 },
  { title: 'an owner and a thief', possible: robbed, atLeast: 500_000 },
  { title: 'a failover', possible: { ...alone, failover: true, tabs: 1, underWay: 1 }, atLeast: 50_000 },
  { title: 'a thief and a failover', possible: { ...robbed, failover: true, tabs: 1 }, atLeast: 200_000 },
]

function hold(t: Test, design: SearchedDesign<ReturnType<typeof withGrace.begin>>, promised: Promised): void {
  const { situations, innocentRefused, thiefGoesOn } = explore(design, longest, promised.possible)
  t.strictSame(innocentRefused, undefined, 'no innocent is logged out')
  t.strictSame(thiefGoesOn, undefined, 'no thief goes on')
  t.ok(situations >= promised.atLeast, `${situations} situations`)
}

for (const promised of promises) {
  t.test(`within a grace: ${promised.title}`, { timeout: 10 * minutes }, async (t) => hold(t, withGrace, promised))
}

// Without one, tabs must take turns: what they send at once is not excused.
for (const promised of promises.filter(({ possible }) => possible !== racing)) {
  const possible = { ...promised.possible, grace: false }
  // Time does not matter then, so there is less to tell apart.
  const atLeast = promised.atLeast / 2
  t.test(`without a grace: ${promised.title}`, { timeout: 10 * minutes }, async (t) =>
    hold(t, withoutGrace, { ...promised, possible, atLeast }),
  )
}

t.test('each clause of the rule is needed: without it an innocent is logged out, or a thief goes on', async (t) => {
  for (const [clause, rule] of Object.entries(broken)) {
    const found = [
      ...[alone, robbed, racing].map((possible) => explore(ofRule(rule, graceMs), 7, possible)),
      explore(ofRule(rule, 0), 7, { ...alone, grace: false }),
    ]
    const history = found.map(({ innocentRefused, thiefGoesOn }) => innocentRefused ?? thiefGoesOn).find(Boolean)
    t.ok(history, `${clause}: ${history?.join(' → ')}`)
  }
})

t.test('known limits: a response, or a request, that comes behind newer ones after the grace', async (t) => {
  const response = explore(withGrace, 8, { ...alone, overtakenResponses: true }).innocentRefused
  t.match(response?.at(-1), /refused/)
  t.ok(response?.includes('time passes'), `${response?.join(' → ')}`)
  const request = explore(withGrace, 8, { ...racing, overtakenRequests: 'after a while' }).innocentRefused
  t.match(request?.at(-1), /refused/)
  t.ok(request?.includes('time passes'), `${request?.join(' → ')}`)
})

function rowOf(name: string, { innocentRefused, thiefGoesOn }: Findings): string {
  const cell = (history: readonly string[] | undefined) => history?.join(' → ') ?? 'none'
  return `| ${name} | ${cell(innocentRefused)} | ${cell(thiefGoesOn)} |`
}

function findingsOf<State>(design: SearchedDesign<State>): Findings {
  const { innocentRefused } = explore(design, 7, alone)
  const { situations, thiefGoesOn } = explore(design, 7, robbed)
  return { situations, ...(innocentRefused && { innocentRefused }), ...(thiefGoesOn && { thiefGoesOn }) }
}

t.test('the table of shortest histories in README.md is what the search finds', async (t) => {
  const readme = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8')
  const rows = [
    rowOf('Cardea', findingsOf(withGrace)),
    rowOf('strict', findingsOf(others.strict)),
    rowOf('fixed window', findingsOf(others['fixed window'])),
    rowOf('unlimited parent', findingsOf(others['unlimited parent'])),
    rowOf('the newest again, until it is used', findingsOf(others['the newest again'])),
  ]
  t.strictSame(
    readme
      .split('\n')
      .filter((line) => rows.some((row) => line.startsWith(row.slice(0, row.indexOf('|', 2) + 1))))
      .filter((line) => line.split('|').length === 5),
    rows,
  )
})
