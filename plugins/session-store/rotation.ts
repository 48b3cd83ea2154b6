// The rotation decision (docs/architecture.md#the-rotation-decision): the whole table as one pure function. The embedded store
// applies it; the Redis script is held to it by the contract and the model test. It reads no clock and touches no store.
import type { Presented, Session, User } from './port/store.ts'

export type Decision =
  | { outcome: 'rotated' }
  | { outcome: 'retried'; why: 'lost_answer' | 'concurrent' }
  | { outcome: 'reused' }
  | { outcome: 'ahead' }
  | { outcome: 'expired'; why: 'idle' | 'absolute' }
  | { outcome: 'revoked' }
  | { outcome: 'user_changed' }

/** What of a user's record sessions are held to. */
export type UserState = Pick<User, 'revision' | 'disabled'>

/** How many times of rotation a session remembers. */
export const rememberedRotations = 3

/**
 * Decides what presenting a refresh token means (RFC 9700 section 4.14.2).
 * @param session the session as stored, or its tombstone
 * @param presented generation and issue time of the presented token, MAC checked
 * @param nowMs the store's clock
 * @param graceMs how long a superseded token is honoured; 0 turns concurrent retries off
 * @param user the record of the session's subject as it is now; undefined when there is none
 */
export function decide(
  session: Session,
  presented: Presented,
  nowMs: number,
  graceMs: number,
  user: UserState | undefined,
): Decision {
  if (session.revokedAt !== undefined) return { outcome: 'revoked' }
  const expired = expiryOf(session, nowMs)
  if (expired) return { outcome: 'expired', why: expired }
  if (!isGrantedBy(session.userRevision, user)) return { outcome: 'user_changed' }
  if (presented.generation > session.generation) return { outcome: 'ahead' }
  if (presented.generation === session.generation) return { outcome: 'rotated' }
  // The response that carried g may never have arrived: its client can only come back with g-1, however late.
  if (presented.generation === session.generation - 1 && !session.delivered) {
    return { outcome: 'retried', why: 'lost_answer' }
  }
  if (wasSupersededWithin(session, presented, nowMs, graceMs)) return { outcome: 'retried', why: 'concurrent' }
  return { outcome: 'reused' }
}

/**
 * Whether what a session was granted by still holds: checked by revisions, never by times, which clocks make.
 * @param revision of the user's record at the sign-in; 0 when there was none
 * @param user the record now; undefined when there is none
 */
export function isGrantedBy(revision: number, user: UserState | undefined): boolean {
  return user === undefined ? revision === 0 : user.revision === revision && !user.disabled
}

/**
 * Which limit the session has passed, if any.
 * @returns `absolute`, `idle`, or undefined while it lives
 */
export function expiryOf(session: Session, nowMs: number): 'absolute' | 'idle' | undefined {
  if (nowMs >= session.absoluteExpirySeconds * 1000) return 'absolute'
  if (nowMs >= newestRotation(session) + session.idleTtlSeconds * 1000) return 'idle'
  return undefined
}

/**
 * When the session ends if its newest generation is not rotated before, ms. No access token of it may live longer: a session
 * that has expired can no longer be ended, so nothing would refuse that token.
 */
export function endsAt(session: Session): number {
  return Math.min(session.absoluteExpirySeconds * 1000, newestRotation(session) + session.idleTtlSeconds * 1000)
}

/** When the newest generation was made, ms. */
export function newestRotation(session: Session): number {
  return session.rotatedAt[0] ?? session.createdAt
}

/**
 * The record after a rotation: one generation on, not yet delivered, the last three times remembered.
 * @returns a new record; the argument is unchanged
 */
export function succeed(session: Session, nowMs: number): Session {
  return {
    ...session,
    generation: session.generation + 1,
    delivered: false,
    rotatedAt: [nowMs, ...session.rotatedAt].slice(0, rememberedRotations),
  }
}

// Generation p was superseded when p+1 was made. Older ones than the remembered are checked by the token's own issue time:
// it was superseded later than it was issued, so a token issued inside the grace was superseded inside it too. So nothing is
// ever honoured beyond the grace; what a session cannot remember is that a long-lived token, overtaken by four rotations or
// more within one grace, was superseded only just now: that is called reuse.
function wasSupersededWithin(session: Session, presented: Presented, nowMs: number, graceMs: number): boolean {
  if (graceMs <= 0) return false
  const supersededAt = session.rotatedAt[session.generation - presented.generation - 1]
  const known = supersededAt ?? presented.issuedAtSeconds * 1000
  return nowMs - known <= graceMs
}
