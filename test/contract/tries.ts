// Contract: counted tries.
import type { Test } from 'tap'
import type { Store, TryLimit } from '../../plugins/session-store/store.ts'
import type { Clock } from '../clock.ts'
import { type OpenStore, openScene } from './scene.ts'

// Long enough that a slow machine's own time never ends a window while the clock of the test stands still.
const windowMs = 60_000
const limit: TryLimit = { max: 3, windowMs, doublingLimit: 4 }

async function tryTimes(store: Store, key: string, times: number): Promise<number[]> {
  const seen = []
  for (let i = 0; i < times; i += 1) seen.push((await store.tries.count(key, limit)).tries)
  return seen
}

export function testTries(t: Test, open: OpenStore, clock: Clock): void {
  t.test('tries of a key are counted until its window ends, each key by itself', async (t) => {
    const { store } = await openScene(t, open, clock)
    t.strictSame(await store.tries.count('try a', limit), { tries: 1, opensInMs: windowMs })
    clock.advance(windowMs - 1)
    t.strictSame(await store.tries.count('try a', limit), { tries: 2, opensInMs: 1 })
    t.strictSame(await store.tries.count('try b', limit), { tries: 1, opensInMs: windowMs })
    clock.advance(1)
    t.strictSame(await store.tries.count('try a', limit), { tries: 1, opensInMs: windowMs })
  })

  t.test('of tries at once none is lost', async (t) => {
    const { store } = await openScene(t, open, clock)
    const counts = await Promise.all(Array.from({ length: 20 }, () => store.tries.count('try a', limit)))
    t.strictSame(
      counts.map(({ tries }) => tries).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  })

  t.test('windows double while they are exhausted again and again, and a refused try prolongs none', async (t) => {
    const { store } = await openScene(t, open, clock)
    const lengths = []
    for (let i = 0; i < 7; i += 1) {
      const { opensInMs } = await store.tries.count('try a', limit)
      lengths.push(opensInMs / windowMs)
      clock.advance(opensInMs / 2)
      t.strictSame(await tryTimes(store, 'try a', 5), [2, 3, 4, 5, 6])
      t.match(await store.tries.count('try a', limit), { opensInMs: opensInMs / 2 })
      clock.advance(opensInMs / 2)
    }
    t.strictSame(lengths, [1, 2, 4, 8, 16, 16, 16])
  })

  t.test('a quiet window forgives all; one that was full but not exhausted doubles nothing', async (t) => {
    const { store } = await openScene(t, open, clock)
    await tryTimes(store, 'try a', 4)
    clock.advance(windowMs)
    t.match(await store.tries.count('try a', limit), { opensInMs: 2 * windowMs }, 'exhausted')
    await tryTimes(store, 'try a', 3)
    clock.advance(2 * windowMs + windowMs - 1)
    t.match(
      await store.tries.count('try a', limit),
      { tries: 1, opensInMs: 4 * windowMs },
      'not yet quiet for a window',
    )
    await tryTimes(store, 'try a', 3)
    clock.advance(4 * windowMs + windowMs)
    t.match(await store.tries.count('try a', limit), { tries: 1, opensInMs: windowMs }, 'forgiven')
    await tryTimes(store, 'try a', 2)
    clock.advance(windowMs)
    t.match(await store.tries.count('try a', limit), { tries: 1, opensInMs: windowMs }, 'full, not exhausted')
  })

  t.test('uses add up within a window, each key by itself, and begin anew in the next', async (t) => {
    const { store } = await openScene(t, open, clock)
    clock.advance(windowMs - (clock.now() % windowMs))
    t.strictSame(await store.tries.addUses('try use a', 3, windowMs), { uses: 3, opensInMs: windowMs })
    clock.advance(windowMs - 1)
    t.strictSame(await store.tries.addUses('try use a', 5, windowMs), { uses: 8, opensInMs: 1 })
    t.strictSame(await store.tries.addUses('try use b', 1, windowMs), { uses: 1, opensInMs: 1 })
    clock.advance(1)
    t.strictSame(await store.tries.addUses('try use a', 2, windowMs), { uses: 2, opensInMs: windowMs })
    const sums = await Promise.all(Array.from({ length: 20 }, () => store.tries.addUses('try use c', 2, windowMs)))
    t.equal(Math.max(...sums.map(({ uses }) => uses)), 40)
    t.match(await store.tries.count('try use a', limit), { tries: 1 }, 'tries are counted apart')
  })

  t.test('keys are told apart whatever is in them', async (t) => {
    const { store } = await openScene(t, open, clock)
    const keys = ['', ' ', '{a}', 'a}b{', 'ａ', 'A', 'a\0', '*', 'x'.repeat(5000)]
    for (const key of keys)
      t.match(await store.tries.count(`try ${key}`, limit), { tries: 1 }, JSON.stringify(key.slice(0, 9)))
  })
}
