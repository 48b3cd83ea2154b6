// The list of all live sessions, which both adapters give a page at a time: its order, and places in it. Pure. What the order
// is made of never changes while a session lives, so that whatever starts or ends between two pages, no other session is
// shown twice or left out.
import type { Session, SessionPage, SessionPlace } from './sessions.ts'

/** Subjects, or records of sessions that may have expired, that are looked at for one page; it may be short, even empty. */
export const lookLimit = 1000

/** Of one subject's sessions: newest login first, of two in the same millisecond the lesser `sid`. Subjects in order of bytes. */
export function inListOrder(a: Session, b: Session): number {
  return b.createdAt - a.createdAt || (a.sid < b.sid ? -1 : 1)
}

/** Whether a session of the place's subject lies behind the place. */
export function isBehind(session: Session, { session: last }: SessionPlace): boolean {
  if (!last) return false
  return session.createdAt < last.createdAt || (session.createdAt === last.createdAt && session.sid > last.sid)
}

/** The place behind a session. */
export function placeOf({ sub, createdAt, sid }: Session): SessionPlace {
  return { sub, session: { createdAt, sid } }
}

/**
 * A page out of what was found.
 * @param found in order; more than the limit when there is more
 * @param lookedUpTo where the search was given up; absent when it came to the end
 */
export function pageOf(found: readonly Session[], limit: number, lookedUpTo?: SessionPlace): SessionPage {
  const sessions = found.slice(0, limit)
  const last = sessions.at(-1)
  const next = found.length > limit && last ? placeOf(last) : lookedUpTo
  return { sessions, ...(next && { next }) }
}
