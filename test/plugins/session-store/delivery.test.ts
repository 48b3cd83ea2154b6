// Delivery marks: told once, in batches, never in a request's way.
import t from 'tap'
import { DeliveryProof, type DeliveryProofOptions } from '../../../plugins/session-store/delivery-proof.ts'
import type { DeliveredGeneration, SessionStore } from '../../../plugins/session-store/port/store.ts'

/** What the store does with marks; most have nothing to say of them. */
type Take = (marks: readonly DeliveredGeneration[]) => Promise<unknown>

function deliveryOver(take: Take, rememberedSessions = 10, limits: Partial<DeliveryProofOptions> = {}) {
  const markDelivered: SessionStore['markDelivered'] = async (marks) => {
    const skipped = await take(marks)
    return Array.isArray(skipped) ? skipped : []
  }
  return new DeliveryProof({ markDelivered }, { flushAfterMs: 60_000, rememberedSessions, ...limits })
}

t.test('a generation is told once, with all others of the batch in one call', async (t) => {
  const calls: (readonly DeliveredGeneration[])[] = []
  const delivery = deliveryOver(async (marks) => void calls.push(marks))
  delivery.seen('a', 1)
  delivery.seen('a', 1)
  delivery.seen('b', 4)
  t.equal(calls.length, 0, 'nothing is sent on the request’s path')
  await delivery.flush()
  delivery.seen('a', 1)
  await delivery.flush()
  t.strictSame(calls, [
    [
      { sid: 'a', generation: 1 },
      { sid: 'b', generation: 4 },
    ],
  ])
})

t.test('a newer generation is told again, an older one is not, and of two that wait only the newer', async (t) => {
  const calls: (readonly DeliveredGeneration[])[] = []
  const delivery = deliveryOver(async (marks) => void calls.push(marks))
  delivery.seen('a', 2)
  delivery.seen('a', 1)
  delivery.seen('a', 3)
  await delivery.flush()
  delivery.seen('a', 2)
  delivery.seen('a', 4)
  await delivery.flush()
  t.strictSame(calls, [[{ sid: 'a', generation: 3 }], [{ sid: 'a', generation: 4 }]])
})

t.test('a mark that the store did not take is told again when the token is next seen', async (t) => {
  let away = true
  const taken: DeliveredGeneration[] = []
  const delivery = deliveryOver(async (marks) => {
    if (away) throw new Error('away')
    taken.push(...marks)
  })
  delivery.seen('a', 1)
  await delivery.flush()
  away = false
  delivery.seen('a', 1)
  await delivery.flush()
  t.strictSame(taken, [{ sid: 'a', generation: 1 }])
})

t.test('what it remembers is bounded', async (t) => {
  let told = 0
  const delivery = deliveryOver(async (marks) => {
    told += marks.length
  }, 2)
  for (const sid of ['a', 'b', 'c']) delivery.seen(sid, 1)
  await delivery.flush()
  for (const sid of ['c', 'a']) delivery.seen(sid, 1)
  await delivery.flush()
  t.equal(told, 4, 'the first was forgotten for the third, and is told again')
})

t.test('many marks go in batches, one at a time, and those seen meanwhile go with them', async (t) => {
  const calls: string[][] = []
  const responses: (() => void)[] = []
  const delivery = deliveryOver(
    (marks) => {
      calls.push(marks.map(({ sid }) => sid))
      return new Promise<void>((resolve) => responses.push(resolve))
    },
    10,
    { marksAtOnce: 2 },
  )
  for (const sid of ['a', 'b', 'c']) delivery.seen(sid, 1)
  const flushed = delivery.flush()
  delivery.seen('d', 1)
  void delivery.flush()
  t.strictSame(calls, [['a', 'b']], 'a slow store is asked no more before it has answered')
  responses.shift()?.()
  await new Promise(setImmediate)
  t.strictSame(calls, [
    ['a', 'b'],
    ['c', 'd'],
  ])
  responses.shift()?.()
  await flushed
})

t.test('what waits is bounded; what found no room is told when it is next seen', async (t) => {
  const told: string[] = []
  const delivery = deliveryOver(async (marks) => void told.push(...marks.map(({ sid }) => sid)), 10, {
    waitingMarks: 2,
  })
  for (const sid of ['a', 'b', 'c']) delivery.seen(sid, 1)
  delivery.seen('b', 2)
  await delivery.flush()
  t.strictSame(told, ['a', 'b'])
  delivery.seen('c', 1)
  await delivery.flush()
  t.strictSame(told, ['a', 'b', 'c'])
})

t.test(
  'a store that is away is asked once, not batch after batch, and everything that waited is told again',
  async (t) => {
    let [calls, away] = [0, true]
    const taken: string[] = []
    const delivery = deliveryOver(
      async (marks) => {
        calls += 1
        if (away) throw new Error('away')
        taken.push(...marks.map(({ sid }) => sid))
      },
      10,
      { marksAtOnce: 1 },
    )
    for (const sid of ['a', 'b', 'c']) delivery.seen(sid, 1)
    await delivery.flush()
    t.equal(calls, 1)
    away = false
    for (const sid of ['c', 'a', 'b']) delivery.seen(sid, 1)
    await delivery.flush()
    t.strictSame(taken, ['c', 'a', 'b'])
  },
)

t.test('a refresh sends the mark of its own session at once, and no other', async (t) => {
  const calls: (readonly DeliveredGeneration[])[] = []
  const delivery = deliveryOver(async (marks) => void calls.push(marks))
  delivery.seen('a', 1)
  delivery.seen('b', 4)
  void delivery.flushSession('b')
  void delivery.flushSession('nothing waits for this one')
  t.strictSame(calls, [[{ sid: 'b', generation: 4 }]], 'before anything is awaited')
  await delivery.flush()
  t.strictSame(calls[1], [{ sid: 'a', generation: 1 }])
  t.equal(calls.length, 2)
})

t.test(
  'a generation that was skipped is told of when it is used: by the store, or by what this node knows',
  async (t) => {
    const used: DeliveredGeneration[] = []
    const onSkippedUse = (mark: DeliveredGeneration) => void used.push(mark)
    const delivery = deliveryOver(async (marks) => marks.filter(({ sid }) => sid === 'told'), 10, { onSkippedUse })
    delivery.seen('told', 2)
    await delivery.flush()
    t.strictSame(used.splice(0), [{ sid: 'told', generation: 2 }])
    // A late retry with generation 2 was given 5; its client used that first.
    delivery.skipped('known', 2, 5)
    delivery.seen('known', 5)
    for (const older of [1, 2]) delivery.seen('known', older)
    delivery.seen('known', 6)
    delivery.seen('known', 5)
    delivery.seen('another', 5)
    delivery.seen('another', 4)
    await delivery.flush()
    t.strictSame(
      used,
      [],
      'neither the presented generation, nor an older one, nor what the late retry was given, nor another session’s',
    )
    for (const generation of [4, 4, 3]) delivery.seen('known', generation)
    t.strictSame(used, [{ sid: 'known', generation: 4 }], 'once')
  },
)
