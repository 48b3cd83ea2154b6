// The queue that is fair by place, and the hashing queue that stands on it.
import t from 'tap'
import { networkPath } from '../../../plugins/clients/network.ts'
import { FairQueue, type QueuePlace } from '../../../plugins/credentials/fair-queue.ts'
import { HashingQueue } from '../../../plugins/credentials/hashing-queue.ts'

const placeOf = (address: string): QueuePlace => ['strangers', ...networkPath(address)]

function all<Entry>(queue: FairQueue<Entry>): Entry[] {
  const entries = []
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) entries.push(entry)
  return entries
}

t.test('the places of a level take turns, whoever has how many', (t) => {
  const queue = new FairQueue<string>()
  for (const entry of ['a1', 'a2', 'a3']) queue.push(['a'], entry)
  for (const entry of ['b1', 'b2']) queue.push(['b', 'x'], entry)
  queue.push(['b', 'y'], 'b3')
  queue.push(['c'], 'c1')
  queue.push([], 'signed in')
  t.equal(queue.size, 8)
  t.strictSame(all(queue), ['signed in', 'a1', 'b1', 'c1', 'a2', 'b3', 'a3', 'b2'])
  t.equal(queue.size, 0)
  t.end()
})

t.test('whoever has most yields, at the widest level where the newcomer has less; equals yield to nobody', (t) => {
  const queue = new FairQueue<string>()
  t.equal(queue.yieldTo(['a']), undefined)
  for (let i = 0; i < 6; i += 1) queue.push(['wide', `narrow ${i % 2}`], `w${i}`)
  queue.push(['other'], 'o0')
  t.equal(queue.yieldTo(['new']), 'w4', 'the newest of the first of the largest')
  t.equal(queue.yieldTo(['other']), 'w5')
  t.equal(queue.yieldTo(['wide', 'narrow 0']), undefined, 'it has as many as its neighbour')
  t.equal(queue.yieldTo(['wide', 'narrow 2']), 'w2', 'a place inside the wide one, with none')
  t.equal(queue.yieldTo(['other']), 'w3')
  t.equal(queue.yieldTo(['other']), undefined, 'one more would make it the larger one')
  t.equal(queue.yieldTo([]), 'w0', 'all yield to one who is signed in')
  t.equal(queue.size, 2)
  t.strictSame(all(queue).sort(), ['o0', 'w1'])
  t.end()
})

t.test('the networks of an address, from wide to narrow', (t) => {
  t.strictSame(networkPath('192.0.2.7'), ['192.0.2.0/24', '192.0.2.7'])
  t.strictSame(networkPath('::ffff:192.0.2.7'), ['192.0.2.0/24', '192.0.2.7'])
  t.strictSame(networkPath('2001:db8:1:2345::7'), ['2001:db8:1::/48', '2001:db8:1:2300::/56', '2001:db8:1:2345::/64'])
  t.strictSame(networkPath('nothing'), [''])
  t.end()
})

/** A hashing queue whose hashes end when the test says so. */
function held(options: { concurrency: number; queue: number }) {
  const queue = new HashingQueue({ ...options, clock: () => 0 })
  const running: (() => void)[] = []
  const outcomes = new Map<string, string>()
  const done: string[] = []
  const add = (name: string, place: QueuePlace) => {
    const work = () => new Promise<void>((resolve) => running.push(resolve))
    queue.run(place, work).then(
      () => done.push(name),
      () => outcomes.set(name, 'refused'),
    )
  }
  const finishAll = async () => {
    for (let quiet = 0; quiet < 5; quiet += 1) {
      const finish = running.shift()
      finish?.()
      if (finish) quiet = 0
      await new Promise(setImmediate)
    }
    return done
  }
  return { add, finishAll, isRefused: (name: string) => outcomes.has(name), settled: () => new Promise(setImmediate) }
}

t.test('one IPv6 /48 that fills the hashing queue takes it from nobody else', async (t) => {
  const queue = held({ concurrency: 1, queue: 64 })
  for (let i = 0; i < 1000; i += 1) queue.add(`flood ${i}`, placeOf(`2001:db8:bad:${i.toString(16)}::1`))
  for (let i = 0; i < 20; i += 1) queue.add(`honest ${i}`, placeOf(`203.0.113.${i}`))
  for (let i = 0; i < 10; i += 1) queue.add(`neighbour ${i}`, placeOf(`2001:db8:${i}::1`))
  queue.add('known', ['known', 'device'])
  await queue.settled()
  const done = await queue.finishAll()
  t.equal(done.filter((name) => name.startsWith('honest')).length, 20)
  t.equal(done.filter((name) => name.startsWith('neighbour')).length, 10)
  t.ok(done.indexOf('known') <= 3, 'a known device does not wait behind strangers')
  const last = done.findLastIndex((name) => name.startsWith('neighbour'))
  t.ok(last < 45, `nobody waits for the flood to be over (${last})`)
})

t.test('floods from /56, /64, an IPv4 /24 and one address alike', async (t) => {
  const floods: [name: string, address: (i: number) => string, honest: string][] = [
    ['/56', (i) => `2001:db8:1:1${(i % 256).toString(16).padStart(2, '0')}::1`, '2001:db8:1:2200::1'],
    ['/64', (i) => `2001:db8:1:1100::${i.toString(16)}`, '2001:db8:1:1101::1'],
    ['/24', (i) => `198.51.100.${i % 256}`, '198.51.101.1'],
    ['one address', () => '198.51.100.7', '198.51.100.8'],
  ]
  for (const [name, address, honest] of floods) {
    const queue = held({ concurrency: 2, queue: 16 })
    for (let i = 0; i < 300; i += 1) queue.add(`flood ${i}`, placeOf(address(i)))
    queue.add('honest', placeOf(honest))
    await queue.settled()
    t.notOk(queue.isRefused('honest'), name)
    const done = await queue.finishAll()
    const at = done.indexOf('honest')
    t.ok(at >= 0 && at <= 5, `${name}: in its turn (${at})`)
  }
})
