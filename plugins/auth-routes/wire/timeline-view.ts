// A session's timeline as people see it: for an administrator with every particular, for its owner in plain words.
import { sentenceOf } from '../../audit/index.ts'
import type { TimelineEntry } from '../../session-store/port/events.ts'
import type { EndReason, Session } from '../../session-store/port/store.ts'
import { endsAt, expiryOf } from '../../session-store/rotation.ts'
import { timestamp } from './session-view.ts'

/** An entry as an administrator sees it. */
export function timelineEntryView(entry: TimelineEntry) {
  const { reason, generation, node, client, network } = entry
  return {
    ...when(entry),
    reason,
    sentence: sentenceOf(reason),
    ...(generation > 0 && { generation }),
    ...(node !== '' && { node }),
    ...(client !== '' && { client }),
    ...(network !== '' && { network }),
  }
}

/** An entry as the session's owner sees it. */
export function ownEntryView(entry: TimelineEntry) {
  const { reason, client, network } = entry
  return {
    ...when(entry),
    sentence: sentenceOf(reason),
    ...(client !== '' && { client }),
    ...(network !== '' && { network }),
  }
}

function when({ at, until, count }: TimelineEntry) {
  return { at: timestamp(at), ...(count > 1 && { until: timestamp(until) }), count }
}

/** Reasons that end a session, for one whose record is gone. */
const endings: Record<EndReason | 'expired_idle' | 'expired_absolute', true> = {
  logout: true,
  revoked_by_user: true,
  revoked_by_admin: true,
  revoked_by_reuse: true,
  revoked_by_signal: true,
  session_limit: true,
  password_changed: true,
  user_disabled: true,
  login_demanded: true,
  expired_idle: true,
  expired_absolute: true,
}

/**
 * How a session ended: by its tombstone, by its limits, or by what its timeline still says.
 * @param now ms
 * @returns undefined while it lives, or when nobody knows
 */
export function endOf(session: Session | undefined, entries: readonly TimelineEntry[], now: number) {
  if (session?.revokedAt !== undefined && session.endReason !== undefined) {
    return { at: timestamp(session.revokedAt), reason: session.endReason }
  }
  const expired = session && expiryOf(session, now)
  if (session && expired) return { at: timestamp(endsAt(session)), reason: `expired_${expired}` }
  const last = session ? undefined : entries.find(({ reason }) => Object.hasOwn(endings, reason))
  return last && { at: timestamp(last.at), reason: last.reason }
}
