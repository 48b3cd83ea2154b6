// The rotation rule of Cardea, and those that it is compared with: what it did before, and one that it might do. Nothing but the
// simulator and the tests uses the others.
import { decide, prove, succeed } from '../plugins/session-store/rotation.ts'

/** The functions that are the rotation decision and its effects. */
export interface RotationRule {
  decide: typeof decide
  /** After a rotation, and after a late retry. */
  succeed: typeof succeed
  /** After a retry within the grace. */
  again: typeof prove
  /** After an access token was seen in use. */
  seen: typeof prove
}

/** Cardea's own, from rotation.ts. */
export const ownRule: RotationRule = { decide, succeed, again: prove, seen: prove }

/**
 * As long as the newest generation is not known to have arrived, the one before it gets the newest again, however late (Cardea
 * until 2026-12). A thief who refreshes first shares every generation with the owner.
 */
export const newestAgain: RotationRule = {
  decide(session, presented, nowMs, graceMs, user) {
    const decision = decide(session, presented, nowMs, graceMs, user)
    if (decision.outcome !== 'retried') return decision
    const isParent = presented.generation === session.generation - 1
    if (isParent && session.provenGeneration < session.generation) return { outcome: 'retried', why: 'concurrent' }
    return decision.why === 'lost_answer' ? { outcome: 'reused' } : decision
  },
  succeed,
  again: (session) => session,
  // It knew of the newest generation alone whether it had arrived.
  seen: (session, generation) => (generation === session.generation ? prove(session, generation) : session),
}

/** The newest token gets itself again within a grace of having been made: a session rotates at most once a grace. */
export const onceAGrace: RotationRule = {
  decide(session, presented, nowMs, graceMs, user) {
    const decision = decide(session, presented, nowMs, graceMs, user)
    const isYoung = graceMs > 0 && nowMs - (session.rotatedAt[0] ?? 0) <= graceMs
    return decision.outcome === 'rotated' && isYoung ? { outcome: 'retried', why: 'concurrent' } : decision
  },
  succeed,
  again: prove,
  seen: prove,
}
