// Sessions as people see them: the wire form of a session record for its owner and for an administrator. Used by the session
// and admin routes and the token response. It shows nothing that can be presented.
import { endsAt, newestRotation } from '../plugins/session-store/rotation.ts'
import type { Session } from '../plugins/session-store/store.ts'
import type { AdminSessionView, SessionView } from './schemas.ts'

/**
 * A session as its owner sees it.
 * @param currentSid the session of the request that asks
 */
export function sessionView(session: Session, currentSid: string | undefined): SessionView {
  const { sid, device, ip } = session
  return {
    sid,
    current: sid === currentSid,
    created_at: timestamp(session.createdAt),
    last_used_at: timestamp(newestRotation(session)),
    expires_at: timestamp(endsAt(session)),
    device,
    ip,
    amr: [...session.amr],
  }
}

/** A session, or its tombstone, as an administrator sees it. */
export function adminSessionView(session: Session, currentSid: string | undefined): AdminSessionView {
  const { sub, generation, scope, revokedAt, endReason } = session
  return {
    ...sessionView(session, currentSid),
    sub,
    generation,
    roles: [...session.roles],
    scope,
    ...(revokedAt !== undefined && { ended_at: timestamp(revokedAt) }),
    ...(endReason !== undefined && { end_reason: endReason }),
  }
}

/** RFC 3339, UTC. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString()
}
