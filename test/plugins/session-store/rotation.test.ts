// The rotation decision against an oracle that keeps what the record forgets: the time of every rotation. All generations,
// all edges of grace and expiry, each with and without delivery and tombstone.
import t from 'tap'
import type { Session } from '../../../plugins/session-store/port/store.ts'
import {
  decide,
  endsAt,
  expiryOf,
  newestRotation,
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
  delivered: false,
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

/** A session as it is after rotations at these times; `madeAt[g]` is when generation g was made. */
function rotatedAt(...times: number[]): { session: Session; madeAt: number[] } {
  return { session: times.reduce(succeed, login), madeAt: [Number.NaN, loginMs, ...times] }
}

const present = (generation: number, madeMs: number) => ({
  sid: login.sid,
  generation,
  issuedAtSeconds: Math.floor(madeMs / 1000),
})

t.test('a rotation is one generation on, not delivered, remembers three times and changes nothing else', async (t) => {
  const before = structuredClone(login)
  const second = succeed({ ...login, delivered: true }, loginMs + 5)
  t.strictSame(second, { ...login, generation: 2, delivered: false, rotatedAt: [loginMs + 5, loginMs] })
  t.strictSame(login, before)
  const fifth = [6, 7, 8].map((ms) => loginMs + ms).reduce(succeed, second)
  t.strictSame(fifth.rotatedAt, [loginMs + 8, loginMs + 7, loginMs + 6])
  t.equal(fifth.generation, 5)
  t.equal(rememberedRotations, 3)
  t.equal(newestRotation(fifth), loginMs + 8)
})

t.test('the table of the rotation decision, row by row', async (t) => {
  const at = loginMs + 100_000
  const { session } = rotatedAt(loginMs + 50_000, at)
  const delivered = { ...session, delivered: true }
  const tombstone = { ...session, revokedAt: at, endReason: 'logout' as const }
  const idleMs = at + idleTtlSeconds * 1000
  const absoluteMs = absoluteExpirySeconds * 1000
  const rows = [
    // title, session, generation presented (3 is the newest), now, grace, decision
    ['the newest rotates', session, 3, at, 10_000, { outcome: 'rotated' }],
    ['the newest rotates, delivered or not', delivered, 3, at, 0, { outcome: 'rotated' }],
    ['the last, answer lost', session, 2, idleMs - 1, 0, { outcome: 'retried', why: 'lost_answer' }],
    ['the last, answer lost, inside the grace', session, 2, at, 10_000, { outcome: 'retried', why: 'lost_answer' }],
    ['the last, delivered, at the grace', delivered, 2, at + 10_000, 10_000, { outcome: 'retried', why: 'concurrent' }],
    ['the last, delivered, beyond the grace', delivered, 2, at + 10_001, 10_000, { outcome: 'reused' }],
    ['the last, delivered, no grace', delivered, 2, at, 0, { outcome: 'reused' }],
    ['two behind at the grace', session, 1, loginMs + 60_000, 10_000, { outcome: 'retried', why: 'concurrent' }],
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
  const late = succeed(login, absoluteMs - 1)
  t.equal(expiryOf(late, absoluteMs - 1), undefined)
  t.equal(expiryOf(late, absoluteMs), 'absolute')
  t.equal(endsAt(late), absoluteMs)
})

/**
 * What the record can know: the exact rule where it remembers the time (three back), and beyond it only what the token's
 * own whole second of issue proves. Written from the history of all times, not from the record.
 */
function oracle(madeAt: number[], delivered: boolean, p: number, nowMs: number, graceMs: number): string {
  const newest = madeAt.length - 1
  if (p > newest) return 'ahead'
  if (p === newest) return 'rotated'
  if (p === newest - 1 && !delivered) return 'lost_answer'
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
        for (const delivered of [false, true]) {
          for (let p = 1; p <= madeAt.length; p += 1) {
            const decision = decide({ ...session, delivered }, present(p, madeAt[p] ?? nowMs), nowMs, graceMs, user)
            const said = 'why' in decision ? decision.why : decision.outcome
            const expected = oracle(madeAt, delivered, p, nowMs, graceMs)
            if (said !== expected) return t.fail(`${said}, not ${expected}`, { madeAt, delivered, p, nowMs, graceMs })
            checked += 1
            // What the record must never do, whatever it has forgotten: honour what was superseded before the grace.
            const tooLate = nowMs - (madeAt[p + 1] ?? nowMs) > graceMs
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
