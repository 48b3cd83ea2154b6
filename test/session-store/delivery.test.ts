// Delivery marks: told once, in batches, never in a request's way.
import t from 'tap'
import { Delivery } from '../../plugins/session-store/delivery.ts'
import type { DeliveryMark, SessionStore } from '../../plugins/session-store/store.ts'

function deliveryOver(markDelivered: (marks: readonly DeliveryMark[]) => Promise<void>, rememberedSessions = 10) {
  // Only the verb that Delivery calls; the rest of the port is not reached.
  return new Delivery({ markDelivered } as SessionStore, { flushAfterMs: 60_000, rememberedSessions })
}

t.test('a generation is told once, with all others of the batch in one call', async (t) => {
  const calls: (readonly DeliveryMark[])[] = []
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

t.test('a newer generation is told again, an older one is not', async (t) => {
  const calls: (readonly DeliveryMark[])[] = []
  const delivery = deliveryOver(async (marks) => void calls.push(marks))
  delivery.seen('a', 2)
  delivery.seen('a', 1)
  delivery.seen('a', 3)
  await delivery.flush()
  t.strictSame(calls, [
    [
      { sid: 'a', generation: 2 },
      { sid: 'a', generation: 3 },
    ],
  ])
})

t.test('a mark that the store did not take is told again when the token is next seen', async (t) => {
  let away = true
  const taken: DeliveryMark[] = []
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
  for (const sid of ['a', 'b', 'c', 'a']) delivery.seen(sid, 1)
  await delivery.flush()
  t.equal(told, 4, 'the first was forgotten for the third, and is told again')
})
