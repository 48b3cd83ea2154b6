// A session's timeline as people see it: for an administrator with every particular, for its owner in plain words.
import { rowOf, sentenceOf } from '../../audit/reasons/index.ts'
import type { TimelineEntry } from '../../session-store/port/events.ts'
import type { Session } from '../../session-store/port/store.ts'
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
  const last = session ? undefined : entries.find(({ reason }) => rowOf(reason)?.ends)
  return last && { at: timestamp(last.at), reason: last.reason }
}
