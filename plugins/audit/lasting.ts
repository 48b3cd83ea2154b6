// The reasons whose events last: what administrators did, how sessions ended, and alarms. They are kept a second time, in a stream
// with a bound of its own, so that nobody can push them out by what he brings about himself.
import type { Reason } from './usage.ts'

/** Reasons of events that last. */
export const lastingReasons: ReadonlySet<string> = new Set<Reason>([
  'ahead_healed',
  'ahead_refused',
  'keys_rotated',
  'keys_rotation_asked',
  'login_demanded',
  'login_slowed',
  'logout',
  'password_changed',
  'reused',
  'revocation_asked',
  'revoked_by_admin',
  'revoked_by_reuse',
  'revoked_by_signal',
  'revoked_by_user',
  'session_limit',
  'store_alarm',
  'user_added',
  'user_changed',
  'user_disabled',
])
