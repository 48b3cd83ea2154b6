// A map that forgets: bounded, in the order of use, and as quick when it is full as when it is empty.
import t from 'tap'
import { LruMap } from '../../../plugins/collections/lru-map.ts'
import { RateLimit } from '../../../plugins/forward/route/rate-limit.ts'
import { EmbeddedAttempts } from '../../../plugins/session-store/embedded/attempts.ts'

t.test('it never holds more than it may, and never forgets the half that was used last', async (t) => {
  const map = new LruMap<number>(10)
  for (let i = 0; i < 1000; i += 1) {
    map.set(`key ${i}`, i)
    if (map.size > 10) t.fail(`${map.size} entries`)
    for (let back = 0; back < 5; back += 1) {
      if (i >= back && map.get(`key ${i - back}`) !== i - back) t.fail(`${back} back is forgotten at ${i}`)
    }
  }
  t.equal(map.get('key 980'), undefined)
})

t.test('what is used stays, what is set again changes nothing for others, and what is deleted is gone', async (t) => {
  const map = new LruMap<number>(4)
  map.set('used', 1)
  for (let i = 0; i < 100; i += 1) {
    map.set(`key ${i}`, i)
    if (map.get('used') !== 1) t.fail(`forgotten at ${i}`)
  }
  map.set('kept', 1)
  for (let i = 0; i < 100; i += 1) map.set('used', i)
  t.strictSame([map.get('kept'), map.get('used')], [1, 99])
  map.delete('used')
  t.equal(map.get('used'), undefined)
})

t.test('what is touched is made once, and again only when it was forgotten', async (t) => {
  const map = new LruMap<number>(4)
  let made = 0
  const make = () => ++made
  t.strictSame([map.touch('a', make), map.touch('a', make), map.touch('b', make)], [1, 1, 2])
  for (let i = 0; i < 4; i += 1) map.set(`key ${i}`, i)
  t.equal(map.touch('a', make), 3)
})

/** How many times as long as a growing Map it takes to add one more, in the median of batches that take turns. */
function slowness(entries: number, add: (key: string) => unknown): number {
  const plain = new Map<string, object>()
  const times: [number, number][] = []
  for (let done = 0; done < entries; done += 1000) {
    const keys = Array.from({ length: 1000 }, (_none, i) => `address ${done + i}`)
    const startedMs = performance.now()
    for (const key of keys) plain.set(key, { key })
    const betweenMs = performance.now()
    for (const key of keys) add(key)
    times.push([betweenMs - startedMs, performance.now() - betweenMs])
  }
  const medianOf = (column: 0 | 1) => times.map((both) => both[column]).sort((a, b) => a - b)[times.length >> 1] ?? 0
  return medianOf(1) / medianOf(0)
}

t.test('limits that are full of callers take a new one about as quickly as a Map that only grows', async (t) => {
  const addHits = async () => ({ hits: 1, opensInMs: 60_000 })
  const options = { max: 100, windowSeconds: 60, name: '/x', clock: () => 1_000_000, onStore: () => undefined }
  const limit = new RateLimit({ ...options, store: { addHits } })
  const ofRoutes = slowness(200_000, (caller) => limit.take(caller))
  t.ok(ofRoutes < 5, `of routes: ${ofRoutes}`)
  const attempts = new EmbeddedAttempts(() => 1_000_000)
  for (let i = 0; i < 300_000; i += 1) await attempts.addHits(`before ${i}`, 1, 60_000)
  const ofTheStore = slowness(200_000, (caller) => attempts.addHits(caller, 1, 60_000))
  t.ok(ofTheStore < 25, `of the store: ${ofTheStore}`)
})
