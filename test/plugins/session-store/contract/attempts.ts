// Contract: budgets of attempts, and counted uses.
import type { Test } from 'tap'
import type { AttemptLimit, Budget, TakenAttempt } from '../../../../plugins/session-store/port/attempts.ts'
import type { Store } from '../../../../plugins/session-store/port/store.ts'
import type { Clock } from '../../../support/clock.ts'
import { type OpenStore, openScene } from './scene.ts'

// Long enough that a slow machine's own time never fills a budget while the clock of the test stands still.
const windowMs = 60_000
const eachMs = windowMs / 3
const limit: AttemptLimit = { max: 3, windowMs }
const hourMs = 3_600_000

/** What an attempt of each budget came to: 'taken', or who refuses and for how long. */
async function take(
  store: Store,
  owner: string,
  ...budgets: Budget[]
): Promise<'taken' | [by: string, waitMs: number]> {
  const outcome = await store.attempts.take(owner, budgets)
  return outcome.outcome === 'taken' ? 'taken' : [outcome.by.name, outcome.waitMs]
}

async function taken(store: Store, owner: string, ...budgets: Budget[]): Promise<TakenAttempt[]> {
  const outcome = await store.attempts.take(owner, budgets)
  if (outcome.outcome === 'refused') throw new Error(`refused by ${outcome.by.name} for ${outcome.waitMs} ms`)
  return outcome.taken
}

const a: Budget = { name: 'a', limit }
const slowing: Budget = { name: 'slow', limit: { ...limit, slowsAfter: 4 } }

export function testAttempts(t: Test, open: OpenStore, clock: Clock): void {
  testFilling(t, open, clock)
  testSlowing(t, open, clock)
  testClocks(t, open, clock)
  testUses(t, open, clock)
}

function testFilling(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a budget holds so many attempts, and fills one by one, steadily', async (t) => {
    const { store } = await openScene(t, open, clock)
    for (let i = 0; i < 3; i += 1) t.equal(await take(store, 'try x', a), 'taken')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs])
    clock.advance(eachMs - 1)
    t.strictSame(await take(store, 'try x', a), ['a', 1], 'a refused try prolongs nothing')
    clock.advance(1)
    t.equal(await take(store, 'try x', a), 'taken')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs])
    clock.advance(windowMs)
    for (let i = 0; i < 3; i += 1) t.equal(await take(store, 'try x', a), 'taken', 'full again, and no more than full')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs])
  })

  t.test('of attempts at once none is too many', async (t) => {
    const { store } = await openScene(t, open, clock)
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => take(store, 'try x', a)))
    t.equal(outcomes.filter((outcome) => outcome === 'taken').length, 3)
  })

  t.test('of two budgets both give or none, and the longer wait is told', async (t) => {
    const { store } = await openScene(t, open, clock)
    const b: Budget = { name: 'b', limit: { max: 1, windowMs } }
    t.equal(await take(store, 'try x', a, b), 'taken')
    t.strictSame(await take(store, 'try x', a, b), ['b', windowMs])
    t.equal(await take(store, 'try x', a), 'taken', 'nothing was taken from the one that had some')
    t.equal(await take(store, 'try x', a), 'taken')
    t.strictSame(await take(store, 'try x', b, a), ['b', windowMs])
    t.equal(await take(store, 'try y', a, b), 'taken', 'another owner has budgets of its own')
  })

  t.test('what is given back can be taken again, and no more than that', async (t) => {
    const { store } = await openScene(t, open, clock)
    const first = await taken(store, 'try x', a)
    for (let i = 0; i < 2; i += 1) await taken(store, 'try x', a)
    await store.attempts.giveBack('try x', first, 'right')
    t.equal(await take(store, 'try x', a), 'taken')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs], 'the failures before are not given back')
    await store.attempts.giveBack('try z', first, 'right')
    for (let i = 0; i < 3; i += 1) t.equal(await take(store, 'try z', a), 'taken')
    t.strictSame(await take(store, 'try z', a), ['a', eachMs], 'a budget that was full is no fuller')
    clock.advance(hourMs)
    await store.attempts.giveBack('try x', first, 'right')
    for (let i = 0; i < 3; i += 1) t.equal(await take(store, 'try x', a), 'taken')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs], 'nor is one that has filled meanwhile')
  })

  t.test('keys are told apart whatever is in them', async (t) => {
    const { store } = await openScene(t, open, clock)
    const one = { max: 1, windowMs }
    const keys = ['', ' ', '{a}', 'a}b{', 'ａ', 'A', 'a\0', '*', 'x'.repeat(5000)]
    for (const key of keys) {
      t.equal(await take(store, `try ${key}`, { name: 'n', limit: one }), 'taken', JSON.stringify(key.slice(0, 9)))
      t.equal(await take(store, 'try n', { name: `try ${key}`, limit: one }), 'taken', JSON.stringify(key.slice(0, 9)))
    }
  })
}

function testSlowing(t: Test, open: OpenStore, clock: Clock): void {
  /** Fails as often as it may until the time is over: how long it waited before each attempt. */
  async function failFor(store: Store, times: number): Promise<number[]> {
    const waits = []
    for (let i = 0; i < times; i += 1) {
      let waited = 0
      for (let outcome = await take(store, 'try x', slowing); outcome !== 'taken'; ) {
        waited += outcome[1]
        clock.advance(outcome[1])
        outcome = await take(store, 'try x', slowing)
      }
      waits.push(waited / eachMs)
    }
    return waits
  }

  t.test('after so many failures in a row the pause between attempts doubles, up to the window', async (t) => {
    const { store } = await openScene(t, open, clock)
    t.strictSame(await failFor(store, 15), [0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3])
  })

  t.test(
    'a right one ends the row and gives nothing else back; an unchecked one is as if it had not been',
    async (t) => {
      const { store } = await openScene(t, open, clock)
      await failFor(store, 4)
      clock.advance(2 * eachMs)
      const [fifth] = await taken(store, 'try x', slowing)
      t.match(fifth, { inARow: 5, costMs: 2 * eachMs })
      if (fifth) await store.attempts.giveBack('try x', [fifth], 'unjudged')
      const [again] = await taken(store, 'try x', slowing)
      t.match(again, { inARow: 5, costMs: 2 * eachMs })
      if (again) await store.attempts.giveBack('try x', [again], 'right')
      t.match(await taken(store, 'try x', slowing), [{ inARow: 1, costMs: eachMs }])
      t.equal(await take(store, 'try x', slowing), 'taken')
      t.strictSame(await take(store, 'try x', slowing), ['slow', eachMs], 'the failures before are not given back')
    },
  )

  t.test('a row is forgotten after eight refills of each of its failures, and not before', async (t) => {
    const { store } = await openScene(t, open, clock)
    await failFor(store, 3)
    clock.advance(windowMs + 3 * 8 * eachMs - 1)
    t.match(await taken(store, 'try x', slowing), [{ inARow: 4 }])
    clock.advance(eachMs + 4 * 8 * eachMs)
    t.match(await taken(store, 'try x', slowing), [{ inARow: 1 }])
  })
}

function testClocks(t: Test, open: OpenStore, clock: Clock): void {
  t.test('a clock set back makes nobody wait for longer than one attempt takes', async (t) => {
    const { store } = await openScene(t, open, clock)
    for (let i = 0; i < 3; i += 1) await taken(store, 'try x', a)
    const before = clock.now()
    clock.advance(-6 * hourMs)
    t.strictSame(await take(store, 'try x', a), ['a', eachMs])
    clock.advance(eachMs)
    t.equal(await take(store, 'try x', a), 'taken', 'what was said of the wait was true')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs])
    clock.advance(before - clock.now())
  })

  t.test('a clock set forward gives a full budget, and no more', async (t) => {
    const { store } = await openScene(t, open, clock)
    for (let i = 0; i < 3; i += 1) await taken(store, 'try x', a)
    clock.advance(1000 * hourMs)
    for (let i = 0; i < 3; i += 1) t.equal(await take(store, 'try x', a), 'taken')
    t.strictSame(await take(store, 'try x', a), ['a', eachMs])
  })
}

function testUses(t: Test, open: OpenStore, clock: Clock): void {
  t.test('uses add up within a window, each key by itself, and begin anew in the next', async (t) => {
    const { store } = await openScene(t, open, clock)
    clock.advance(windowMs - (clock.now() % windowMs))
    t.strictSame(await store.attempts.addHits('try use a', 3, windowMs), { hits: 3, opensInMs: windowMs })
    clock.advance(windowMs - 1)
    t.strictSame(await store.attempts.addHits('try use a', 5, windowMs), { hits: 8, opensInMs: 1 })
    t.strictSame(await store.attempts.addHits('try use b', 1, windowMs), { hits: 1, opensInMs: 1 })
    clock.advance(1)
    t.strictSame(await store.attempts.addHits('try use a', 2, windowMs), { hits: 2, opensInMs: windowMs })
    const sums = await Promise.all(Array.from({ length: 20 }, () => store.attempts.addHits('try use c', 2, windowMs)))
    t.equal(Math.max(...sums.map(({ hits }) => hits)), 40)
    t.equal(await take(store, 'try use a', a), 'taken', 'attempts are counted apart')
    clock.jump(-6 * hourMs)
    const { hits, opensInMs } = await store.attempts.addHits('try use a', 4, windowMs)
    t.equal(hits, 6, 'a clock set back forgives nothing')
    t.ok(opensInMs <= windowMs, 'and makes no wait longer than a window')
    clock.jump(6 * hourMs)
  })
}
