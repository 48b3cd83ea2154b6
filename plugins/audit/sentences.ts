// The sentences for the steps of a session's life, for its owner and for the operator who is asked "why was I logged out?". A
// reason that stands here is a step of a timeline; one that does not is not.
import type { EndReason } from '../session-store/port/store.ts'
import type { Reason } from './usage.ts'

/** A sentence for each reason that a timeline tells. */
export const sentences: Partial<Record<Reason, string>> & Record<EndReason, string> = {
  ahead_healed: 'The store had lost this session’s last steps in a failover; it went on from the client’s token.',
  ahead_refused: 'A refresh was refused because the store seems to have lost this session’s last steps.',
  cookie_dropped:
    'The browser dropped the cookie of this sign-in, so the session could not go on after the page was left.',
  expired_absolute: 'The session had reached its longest life, so a refresh was refused.',
  expired_idle: 'The session had not been used for too long, so a refresh was refused.',
  login_demanded: 'The session was ended because something about it looked unusual: sign in again to go on.',
  login_ok: 'Signed in.',
  logout: 'Signed out.',
  password_changed: 'The session was ended because the password was changed.',
  retried_concurrent: 'Two refreshes came at once; both got the same token.',
  retried_lost_answer: 'A refresh was asked for again because its response had been lost.',
  reused: 'An old refresh token came back after its time: somebody may have copied it.',
  revoked_by_admin: 'The session was ended by an administrator.',
  revoked_by_reuse: 'The session was ended because an old refresh token was used again.',
  revoked_by_signal: 'The session was ended because something about it looked like misuse.',
  revoked_by_user: 'The session was ended from another session of the same person.',
  rotated: 'Refreshed.',
  session_ended: 'A refresh was tried after the session had ended.',
  session_limit: 'The session was ended because there were too many; the oldest goes first.',
  user_disabled: 'The session was ended because the account was disabled or changed.',
}

const steps: ReadonlySet<string> = new Set(Object.keys(sentences))

/** Whether a reason is a step of a timeline. */
export function isStep(reason: string): boolean {
  return steps.has(reason)
}

/** The sentence of a reason, also of one that another version wrote. */
export function sentenceOf(reason: string): string {
  return new Map<string, string>(Object.entries(sentences)).get(reason) ?? `${reason}.`
}
