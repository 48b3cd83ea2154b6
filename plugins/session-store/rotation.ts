// The rotation decision (docs/architecture.md#the-rotation-decision): the whole table as one pure function. The embedded store
// applies it; the Redis script is held to it by the contract and the model test. It reads no clock and touches no store.
import type { Presented, Session, User } from './port/store.ts'

export type Decision =
  | { outcome: 'rotated' }
  /**
   * `concurrent`: its successor was made a moment ago; the newest token again, the same bytes, and nothing changes but what is
   * proven (`prove`). `lost_answer`: what was answered since it was given was lost, or taken; a fresh generation (`succeed`).
   */
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
 * How far the newest generation may be ahead of the proven one; the record has two bytes for it. A client that has lost as many
 * responses in a row is given the newest token again, until one arrives.
 */
export const mostUnproven = 0xffff

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
  // Of what came after the proven generation, nothing may have arrived: its client can only come back with that, however late.
  const mayBeLost = presented.generation >= session.provenGeneration
  const supersededAt = mayBeLost ? newestRotation(session) : whenSuperseded(session, presented)
  const isFull = mayBeLost && session.generation - presented.generation >= mostUnproven
  if (isFull || (graceMs > 0 && nowMs - supersededAt <= graceMs)) return { outcome: 'retried', why: 'concurrent' }
  // A generation of its own: were it the newest again, a thief who came first would go on sharing every token with its owner.
  return mayBeLost ? { outcome: 'retried', why: 'lost_answer' } : { outcome: 'reused' }
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
 * The record after a rotation: one generation on, the last three times remembered. Whoever presents a token has received it. The
 * generations after a late one are void: to its client and its other tabs, its successor is made only now.
 * @param presented the generation that was presented: the newest, or a later one than is proven
 * @returns a new record; the argument is unchanged
 */
export function succeed(session: Session, nowMs: number, presented: number): Session {
  const { generation, rotatedAt } = session
  const madeAt = rotatedAt.map((ms, back) => (generation - back > presented ? nowMs : ms))
  return {
    ...session,
    generation: generation + 1,
    provenGeneration: presented,
    rotatedAt: [nowMs, ...madeAt].slice(0, rememberedRotations),
  }
}

/**
 * The record after a generation was presented, or its access token seen in use: its client has certainly received it.
 * @returns a new record, or the same one when that was known; the argument is unchanged
 */
export function prove(session: Session, generation: number): Session {
  // One that the store has lost was made after the newest that it knows.
  const proven = Math.min(generation, session.generation)
  return proven > session.provenGeneration ? { ...session, provenGeneration: proven } : session
}

// Generation p was superseded when p+1 was made. Older ones than the remembered are checked by the token's own issue time:
// it was superseded later than it was issued, so a token issued inside the grace was superseded inside it too. So nothing is
// ever honoured beyond the grace; what a session cannot remember is that a long-lived token, overtaken by four rotations or
// more within one grace, was superseded only just now: that is called reuse.
function whenSuperseded(session: Session, presented: Presented): number {
  const remembered = session.rotatedAt[session.generation - presented.generation - 1]
  return remembered ?? presented.issuedAtSeconds * 1000
}
