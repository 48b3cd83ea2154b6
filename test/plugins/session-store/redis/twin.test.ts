// The Redis adapter beside its twin: whatever is done in whatever order, the scripts answer and keep what the embedded store
// answers and keeps, which asks the pure decision function.
import fc from 'fast-check'
import t from 'tap'
import { openEmbeddedStore } from '../../../../plugins/session-store/embedded/index.ts'
import { revocationLogAgeMs } from '../../../../plugins/session-store/embedded/revocations.ts'
import type { Store } from '../../../../plugins/session-store/port/store.ts'
import { openRedisStore } from '../../../../plugins/session-store/redis/index.ts'
import { newPrefix, sharedRedis } from '../../../support/redis/server.ts'
import { ContractScene } from '../contract/scene.ts'
import { Clock } from '../contract.ts'

const url = await sharedRedis(t)
const sids = [
  'AAAAAAAA000000000000000000000001',
  'AAAAAAAA000000000000000000000002',
  'AAAAAAAA-_0000000000000000000003',
]

const hourMs = 3_600_000

/** What is done to both. */
type Step =
  | { verb: 'login'; sid: string; sub: string; maxSessions: number; absoluteTtlSeconds: number; device: string }
  | { verb: 'rotate'; sid: string; back: number; ageSeconds: number; graceMs: number }
  | { verb: 'deliver'; sid: string; back: number }
  | { verb: 'end'; sid: string }
  | { verb: 'endAll'; sub: string; except: string | undefined }
  | { verb: 'endEveryone' }
  | { verb: 'advance'; ms: number }

const sid = fc.constantFrom(...sids)
const sub = fc.constantFrom('ana', 'bo')
const newest = fc.record({
  verb: fc.constant('rotate' as const),
  sid,
  back: fc.constant(0),
  ageSeconds: fc.constant(0),
  graceMs: fc.constant(10_000),
})
const any = fc.record({
  verb: fc.constant('rotate' as const),
  sid,
  back: fc.constantFrom(-1, 0, 1, 2, 3, 4, 5, 6),
  ageSeconds: fc.constantFrom(0, 5, 10, 3600),
  graceMs: fc.constantFrom(0, 10_000),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    verb: fc.constant('login' as const),
    sid,
    sub,
    maxSessions: fc.integer({ min: 1, max: 3 }),
    absoluteTtlSeconds: fc.constantFrom(3500, 20_000),
    device: fc.constant(''),
  }),
  { arbitrary: newest, weight: 4 },
  { arbitrary: any, weight: 2 },
  {
    arbitrary: fc.record({ verb: fc.constant('deliver' as const), sid, back: fc.integer({ min: -1, max: 1 }) }),
    weight: 2,
  },
  fc.record({ verb: fc.constant('end' as const), sid }),
  fc.record({ verb: fc.constant('endAll' as const), sub, except: fc.option(sid, { nil: undefined }) }),
  fc.record({ verb: fc.constant('endEveryone' as const) }),
  fc.record({ verb: fc.constant('advance' as const), ms: fc.constantFrom(1, 999, 9_999, 10_000, 10_001, hourMs) }),
)

// Every run begins with these, so that what follows meets sessions.
const logins: Step[] = sids.map((sid, i) => {
  const sub = i === 2 ? 'bo' : 'ana'
  return { verb: 'login', sid, sub, maxSessions: 3, absoluteTtlSeconds: 20_000, device: '' }
})

/** Makes each login its own (the very same call sent twice is one to Redis, an error to the twin), and lets one hour pass at
 *  most: what expired an hour ago, Redis forgets at the next login and the twin by a timer. */
function settle(random: Step[]): Step[] {
  const steps = [...logins, ...random]
  const hour = steps.findIndex((step) => step.verb === 'advance' && step.ms === hourMs)
  return steps
    .filter((step, i) => step.verb !== 'advance' || step.ms !== hourMs || i === hour)
    .map((step, i) => (step.verb === 'login' ? { ...step, device: `${i}` } : step))
}

async function apply({ sessions }: Store, fresh: ContractScene, step: Step): Promise<unknown> {
  const generationOf = async (sid: string, back: number) =>
    Math.max(0, ((await sessions.read(sid))?.generation ?? 1) - back)
  switch (step.verb) {
    case 'advance':
      return undefined
    case 'login': {
      const { verb: _verb, ...change } = step
      const session = fresh.newSession({ ...change, idleTtlSeconds: 3600 })
      return sessions.create(session).catch((error: Error) => error.message)
    }
    case 'rotate': {
      const issuedAtSeconds = Math.floor(fresh.clock.nowMs / 1000) - step.ageSeconds
      const generation = await generationOf(step.sid, step.back)
      return sessions.rotate({ sid: step.sid, generation, issuedAtSeconds }, step.graceMs)
    }
    case 'deliver':
      return sessions.markDelivered([{ sid: step.sid, generation: await generationOf(step.sid, step.back) }])
    case 'end':
      return sessions.end(step.sid, 'logout')
    case 'endAll':
      return sessions.endAll(step.sub, 'password_changed', step.except)
    case 'endEveryone':
      return sessions.endEveryone('revoked_by_admin')
  }
}

async function stateOf({ sessions }: Store): Promise<unknown> {
  return {
    lists: [await sessions.list('ana'), await sessions.list('bo')],
    records: await Promise.all(sids.map((sid) => sessions.read(sid))),
    log: (await sessions.readRevocations({ sinceMs: 0 }, 0)).revocations,
  }
}

t.test('whatever is done in whatever order, Redis answers and keeps what the embedded store does', async (t) => {
  const clock = new Clock()
  const loadSubjectTag = async () => () => 'AAAAAAAA'
  const options = { url, clock: clock.now, loadSubjectTag, deadlineMs: 10_000, keepLogMs: revocationLogAgeMs }
  const outcomes = new Map<string, number>()

  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }).map(settle),
    async (steps) => {
      const redis = await openRedisStore({ ...options, prefix: newPrefix() })
      const twin = openEmbeddedStore({ file: ':memory:', clock: clock.now })
      try {
        for (const store of [redis, twin]) {
          for (const sub of ['ana', 'bo']) await store.users.add({ sub, passwordHash: '', roles: [], scope: '' })
        }
        for (const step of steps) {
          if (step.verb === 'advance') clock.advance(step.ms)
          const [response, expected] = [
            await apply(redis, new ContractScene(redis, clock), step),
            await apply(twin, new ContractScene(twin, clock), step),
          ]
          if (!t.strictSame(response, expected, step.verb)) throw new Error(`${step.verb} differs`)
          const { outcome } = Object(response)
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
          if (!t.strictSame(await stateOf(redis), await stateOf(twin), 'what is kept'))
            throw new Error('what is kept differs')
        }
      } finally {
        await Promise.all([redis.close(), twin.close()])
      }
    },
  )
  await fc.assert(property, { numRuns: 50 })
  // A comparison that never met a row of the decision would prove nothing about it.
  for (const outcome of ['created', 'rotated', 'retried', 'reused', 'ahead', 'expired', 'revoked']) {
    t.ok((outcomes.get(outcome) ?? 0) > 0, `${outcome} came ${outcomes.get(outcome)} times`)
  }
})
