// A session as its owner sees it: the wire form of a session record. It shows nothing that can be presented.
import type { Session } from '../../session-store/port/store.ts'
import { endsAt, newestRotation } from '../../session-store/rotation.ts'
import type { SessionView } from './sessions.ts'

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

/** RFC 3339, UTC. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString()
}
