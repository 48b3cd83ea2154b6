// The rotation decision against an oracle that keeps what the record forgets: the time of every rotation. All generations,
// all edges of grace and expiry, each with and without delivery and tombstone.
import t from 'tap'
import type { Session } from '../../../plugins/session-store/port/store.ts'
import {
  decide,
  endsAt,
  expiryOf,
  mostUnproven,
  newestRotation,
  prove,
  rememberedRotations,
  succeed,
} from '../../../plugins/session-store/rotation.ts'

const loginMs = 1_700_000_000_400
const idleTtlSeconds = 600
const absoluteExpirySeconds = 1_700_003_600

const login: Session = {
  sid: 'x'.repeat(32),
  sub: 'ana',
  generation: 1,
  provenGeneration: 0,
  rotatedAt: [loginMs],
  createdAt: loginMs,
  absoluteExpirySeconds,
  idleTtlSeconds,
  roles: ['reader'],
  scope: '',
  device: '',
  ip: '192.0.2.1',
  amr: ['pwd'],
  userRevision: 1,
}

const user = { revision: 1, disabled: false }

/** Each presents the newest token. */
const rotate = (session: Session, nowMs: number) => succeed(session, nowMs, session.generation)

/** A session as it is after rotations at these times; `madeAt[g]` is when generation g was made. */
function rotatedAt(...times: number[]): { session: Session; madeAt: number[] } {
  return { session: times.reduce(rotate, login), madeAt: [Number.NaN, loginMs, ...times] }
}

const present = (generation: number, madeMs: number) => ({
  sid: login.sid,
  generation,
  issuedAtSeconds: Math.floor(madeMs / 1000),
})

t.test(
  'a rotation is one generation on, proves the presented one, remembers three times and changes nothing else',
  async (t) => {
    const before = structuredClone(login)
    const second = succeed(login, loginMs + 5, 1)
    t.strictSame(second, { ...login, generation: 2, provenGeneration: 1, rotatedAt: [loginMs + 5, loginMs] })
    t.strictSame(login, before)
    const fifth = [6, 7, 8].map((ms) => loginMs + ms).reduce(rotate, second)
    t.strictSame(fifth.rotatedAt, [loginMs + 8, loginMs + 7, loginMs + 6])
    t.equal(fifth.generation, 5)
    t.equal(rememberedRotations, 3)
    t.equal(newestRotation(fifth), loginMs + 8)
  },
)

t.test('the table of the rotation decision, row by row', async (t) => {
  const at = loginMs + 100_000
  const { session } = rotatedAt(loginMs + 50_000, at)
  const delivered = { ...session, provenGeneration: 3 }
  // The responses with generations 2 and 3 were taken for lost.
  const skipping = { ...session, provenGeneration: 1 }
  const full = { ...session, generation: mostUnproven + 1, provenGeneration: 1 }
  const lost = { outcome: 'retried', why: 'lost_answer' }
  const again = { outcome: 'retried', why: 'concurrent' }
  const tombstone = { ...session, revokedAt: at, endReason: 'logout' as const }
  const idleMs = at + idleTtlSeconds * 1000
  const absoluteMs = absoluteExpirySeconds * 1000
  const rows = [
    // title, session, generation presented (3 is the newest), now, grace, decision
    ['the newest rotates', session, 3, at, 10_000, { outcome: 'rotated' }],
    ['the newest rotates, delivered or not', delivered, 3, at, 0, { outcome: 'rotated' }],
    ['the last, answer lost', session, 2, idleMs - 1, 10_000, lost],
    ['the last, answer lost, no grace', session, 2, at, 0, lost],
    ['the last, answer lost, at the grace', session, 2, at + 10_000, 10_000, again],
    ['the last, answer lost, beyond the grace', session, 2, at + 10_001, 10_000, lost],
    ['the proven one, two answers lost', skipping, 1, at + 10_001, 10_000, lost],
    ['the proven one, within the grace of the newest', skipping, 1, at + 10_000, 10_000, again],
    ['a skipped one that arrived after all', skipping, 2, at + 10_001, 10_000, lost],
    ['older than the proven one', session, 1, at + 10_001, 10_000, { outcome: 'reused' }],
    ['more answers lost than can be counted', full, 1, at + 10_001, 10_000, again],
    ['one fewer', full, 2, at + 10_001, 10_000, lost],
    ['the last, delivered, at the grace', delivered, 2, at + 10_000, 10_000, again],
    ['the last, delivered, beyond the grace', delivered, 2, at + 10_001, 10_000, { outcome: 'reused' }],
    ['the last, delivered, no grace', delivered, 2, at, 0, { outcome: 'reused' }],
    ['two behind at the grace', session, 1, loginMs + 60_000, 10_000, again],
    ['two behind beyond the grace', session, 1, loginMs + 60_001, 10_000, { outcome: 'reused' }],
    ['ahead by one', session, 4, at, 10_000, { outcome: 'ahead' }],
    ['ahead by far', delivered, 4_294_967_295, at, 10_000, { outcome: 'ahead' }],
    ['a millisecond before idle', session, 3, idleMs - 1, 10_000, { outcome: 'rotated' }],
    ['at idle', session, 3, idleMs, 10_000, { outcome: 'expired', why: 'idle' }],
    ['at idle, an old token', delivered, 1, idleMs, 10_000, { outcome: 'expired', why: 'idle' }],
    ['at idle, ahead', delivered, 9, idleMs, 10_000, { outcome: 'expired', why: 'idle' }],
    ['at the absolute expiry', session, 3, absoluteMs, 10_000, { outcome: 'expired', why: 'absolute' }],
    ['a tombstone', tombstone, 3, at, 10_000, { outcome: 'revoked' }],
    ['a tombstone, lost response', tombstone, 2, at, 10_000, { outcome: 'revoked' }],
    ['a tombstone, old token', tombstone, 1, at + 99_999, 0, { outcome: 'revoked' }],
    ['a tombstone, ahead', tombstone, 4, at, 10_000, { outcome: 'revoked' }],
    ['a tombstone, idle', tombstone, 3, idleMs, 10_000, { outcome: 'revoked' }],
    ['a tombstone, expired', tombstone, 3, absoluteMs + 1, 10_000, { outcome: 'revoked' }],
  ] as const
  for (const [title, state, generation, nowMs, graceMs, decision] of rows) {
    t.strictSame(decide(state, present(generation, loginMs), nowMs, graceMs, user), decision, title)
  }
})

t.test('a session rotates only while its user is as at the sign-in', async (t) => {
  const users = [
    [1, user, 'rotated'],
    [1, { revision: 2, disabled: false }, 'user_changed'],
    [1, { revision: 1, disabled: true }, 'user_changed'],
    [1, undefined, 'user_changed'],
    [0, undefined, 'rotated'],
    [0, user, 'user_changed'],
  ] as const
  for (const [userRevision, now, outcome] of users) {
    const found = decide({ ...login, userRevision }, present(1, loginMs), loginMs, 0, now)
    t.equal(found.outcome, outcome, `${userRevision} and ${JSON.stringify(now)}`)
  }
})

t.test('a session lives until exactly its limits; the absolute one is named when both have passed', async (t) => {
  const idleMs = loginMs + idleTtlSeconds * 1000
  const absoluteMs = absoluteExpirySeconds * 1000
  t.equal(expiryOf(login, idleMs - 1), undefined)
  t.equal(expiryOf(login, idleMs), 'idle')
  t.equal(expiryOf(login, absoluteMs), 'absolute')
  t.equal(endsAt(login), idleMs)
  const late = rotate(login, absoluteMs - 1)
  t.equal(expiryOf(late, absoluteMs - 1), undefined)
  t.equal(expiryOf(late, absoluteMs), 'absolute')
  t.equal(endsAt(late), absoluteMs)
})

/**
 * What the record can know: the exact rule where it remembers the time (three back), and beyond it only what the token's
 * own whole second of issue proves. Written from the history of all times, not from the record.
 */
function oracle(madeAt: number[], proven: number, p: number, nowMs: number, graceMs: number): string {
  const newest = madeAt.length - 1
  if (p > newest) return 'ahead'
  if (p === newest) return 'rotated'
  if (p >= proven) return graceMs > 0 && nowMs - (madeAt.at(-1) ?? Number.NaN) <= graceMs ? 'concurrent' : 'lost_answer'
  if (graceMs === 0) return 'reused'
  const supersededMs = madeAt[p + 1] ?? Number.NaN
  const isExact = newest - p <= 3
  const provenMs = isExact ? supersededMs : Math.floor((madeAt[p] ?? Number.NaN) / 1000) * 1000
  return nowMs - provenMs > graceMs ? 'reused' : 'concurrent'
}

t.test('every generation of many histories is checked as the whole history checks it', async (t) => {
  const gaps = [0, 1, 999, 3000, 60_000]
  let checked = 0
  let honoured = 0
  for (const times of histories(gaps, 5)) {
    const { session, madeAt } = rotatedAt(...times)
    const newestMs = madeAt.at(-1) ?? loginMs
    for (const graceMs of [0, 1, 3000, 10_000]) {
      for (const nowMs of edges(madeAt, graceMs, newestMs)) {
        for (const proven of new Set([0, 1, madeAt.length - 2, madeAt.length - 1].map((n) => Math.max(0, n)))) {
          for (let p = 1; p <= madeAt.length; p += 1) {
            const decision = decide(
              { ...session, provenGeneration: proven },
              present(p, madeAt[p] ?? nowMs),
              nowMs,
              graceMs,
              user,
            )
            const said = 'why' in decision ? decision.why : decision.outcome
            const expected = oracle(madeAt, proven, p, nowMs, graceMs)
            if (said !== expected) return t.fail(`${said}, not ${expected}`, { madeAt, proven, p, nowMs, graceMs })
            checked += 1
            // What the record must never do, whatever it has forgotten: honour what was proven to have been superseded before the grace.
            const tooLate = p < proven && nowMs - (madeAt[p + 1] ?? nowMs) > graceMs
            if (said === 'concurrent' && tooLate)
              return t.fail('honoured beyond the grace', { madeAt, p, nowMs, graceMs })
            if (said === 'concurrent') honoured += 1
          }
        }
      }
    }
  }
  t.ok(checked > 100_000 && honoured > 10_000, `${checked} decisions, ${honoured} of them honoured`)
})

// All histories of up to `length` rotations with these gaps between them: the times of the rotations.
function* histories(gaps: number[], length: number, afterMs = loginMs): Generator<number[]> {
  yield []
  if (length === 0) return
  for (const gap of gaps) {
    for (const later of histories(gaps, length - 1, afterMs + gap)) yield [afterMs + gap, ...later]
  }
}

// The newest rotation's own time, and each edge of the grace after it, a millisecond before and after.
function edges(madeAt: number[], graceMs: number, newestMs: number): Set<number> {
  const atGrace = madeAt.slice(2).flatMap((ms) => [ms + graceMs - 1, ms + graceMs, ms + graceMs + 1])
  return new Set([newestMs, newestMs + 1, ...atGrace.filter((ms) => ms >= newestMs)])
}

t.test('a generation that has arrived stays proven; one that the store has lost proves the newest', async (t) => {
  const { session } = rotatedAt(loginMs + 1, loginMs + 2, loginMs + 3)
  t.equal(session.provenGeneration, 3)
  for (const older of [0, 1, 3]) t.equal(prove(session, older), session, 'the same record')
  for (const newer of [4, 5, 4_294_967_295]) t.strictSame(prove(session, newer), { ...session, provenGeneration: 4 })
})

t.test('after a late retry the skipped generations count as made just now, those before as before', async (t) => {
  const lateMs = loginMs + 60_000
  const late = succeed(rotate(rotate(login, loginMs + 1), loginMs + 2), lateMs, 2)
  t.match(late, { generation: 4, provenGeneration: 2, rotatedAt: [lateMs, lateMs, loginMs + 1] })
  const later = succeed(late, lateMs + 1, 2)
  t.match(later, { generation: 5, provenGeneration: 2, rotatedAt: [lateMs + 1, lateMs + 1, lateMs + 1] })
  const decision = decide(prove(later, 5), present(2, loginMs + 1), lateMs + 10_001, 10_000, user)
  t.strictSame(decision, { outcome: 'retried', why: 'concurrent' }, 'another tab’s request of that moment')
})
