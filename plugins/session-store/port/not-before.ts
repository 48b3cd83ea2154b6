// The global not-before: every session that is dated before it has ended. It lies behind all that exist, whatever clock dated
// them. Pure, so that they agree. It lies at a full second, because `auth_time` has only seconds: so access tokens can be
// checked by it exactly as well.
import type { EndReason, RotateOutcome, Session } from './store.ts'

export interface NotBefore {
  /** ms, a full second; 0: nobody was ever ended so. */
  at: number
  reason: EndReason
}

/** Stands for never. */
export const noNotBefore: NotBefore = { at: 0, reason: 'revoked_by_admin' }

/** No session can live longer (the largest CARDEA_ABSOLUTE_TTL is 400 days), so a not-before need not be kept longer. */
export const notBeforeKeptMs = 401 * 24 * 60 * 60 * 1000

/**
 * The not-before that ends everyone now: the next full second behind now and behind the latest session. Sessions that begin from now on are dated by it at least, so
 * that a login in the same second works.
 * @param before the later of the one that holds now and the beginning of the latest session, ms: the clock may have been ahead
 */
export function nextNotBefore(nowMs: number, before: number): number {
  return (Math.floor(Math.max(nowMs, before) / 1000) + 1) * 1000
}

/**
 * The session as the not-before leaves it: its tombstone, if it began earlier and had not ended by itself.
 * @returns the session itself when nothing changes
 */
export function underNotBefore(session: Session, { at, reason }: NotBefore): Session {
  if (session.createdAt >= at || session.revokedAt !== undefined) return session
  return { ...session, revokedAt: at, endReason: reason }
}

/** A rotation's outcome where the store could not look at the not-before: of a session that began before it, `revoked`. */
export function checkedBy(outcome: RotateOutcome, notBefore: NotBefore): RotateOutcome {
  if (outcome.outcome === 'unknown') return outcome
  const session = underNotBefore(outcome.session, notBefore)
  return session === outcome.session ? outcome : { outcome: 'revoked', session, reason: notBefore.reason }
}
