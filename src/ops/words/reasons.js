// Every reason in an operator's words: a title, how serious it is, and which outcome of a refresh it counts to. A test holds
// the list to the gateway's. A reason that a newer gateway adds is shown by its name.

/** @typedef {'good' | 'plain' | 'notice' | 'alarm'} Tone how serious something is; each has a mark beside its colour */
/** @typedef {'rotated' | 'retried' | 'refused' | 'reused'} Outcome what became of a refresh */
/** @typedef {{ title: string, tone: Tone, outcome?: Outcome }} ReasonWords */

/** @type {Record<string, ReasonWords>} */
export const reasons = {
  ahead_healed: { title: 'Healed after lost writes', tone: 'notice', outcome: 'rotated' },
  ahead_refused: { title: 'Newer than the store, refused', tone: 'alarm', outcome: 'refused' },
  clock_jumped: { title: 'A clock was set', tone: 'alarm' },
  cookie_dropped: { title: 'Cookie dropped by the browser', tone: 'alarm' },
  expired_absolute: { title: 'Session past its whole life', tone: 'plain', outcome: 'refused' },
  expired_idle: { title: 'Session idle too long', tone: 'plain', outcome: 'refused' },
  forged: { title: 'Forged refresh token', tone: 'notice', outcome: 'refused' },
  hashing_overloaded: { title: 'Too busy to check a password', tone: 'notice' },
  keys_rotated: { title: 'Signing key made', tone: 'plain' },
  keys_rotation_asked: { title: 'Signing key asked for', tone: 'plain' },
  login_demanded: { title: 'Ended: a new sign-in demanded', tone: 'notice' },
  login_failed: { title: 'Sign-in failed', tone: 'notice' },
  login_limited: { title: 'Sign-in over the limit', tone: 'notice' },
  login_ok: { title: 'Signed in', tone: 'good' },
  login_slowed: { title: 'Guessing slowed down', tone: 'alarm' },
  logout: { title: 'Signed out', tone: 'plain' },
  origin_refused: { title: 'Page of another origin refused', tone: 'notice' },
  password_changed: { title: 'Password changed', tone: 'plain' },
  policy_refused: { title: 'Not allowed by the route', tone: 'plain' },
  refresh_limited: { title: 'Refreshed too often', tone: 'notice', outcome: 'refused' },
  retried_concurrent: { title: 'Retried at the same moment', tone: 'plain', outcome: 'retried' },
  retried_lost_answer: { title: 'Retried after a lost response', tone: 'plain', outcome: 'retried' },
  reused: { title: 'Refresh token reused', tone: 'alarm', outcome: 'reused' },
  revocation_asked: { title: 'Revocation by an operator', tone: 'plain' },
  revocation_unknown: { title: 'Revocations not known', tone: 'alarm' },
  revoked_by_admin: { title: 'Ended by an operator', tone: 'plain' },
  revoked_by_reuse: { title: 'Ended by reuse', tone: 'alarm' },
  revoked_by_signal: { title: 'Ended by a signal', tone: 'alarm' },
  revoked_by_user: { title: 'Ended by its user', tone: 'plain' },
  rotated: { title: 'Refreshed', tone: 'good', outcome: 'rotated' },
  route_limited: { title: 'Over the limit of a route', tone: 'notice' },
  session_ended: { title: 'Refresh of an ended session', tone: 'plain', outcome: 'refused' },
  session_limit: { title: 'Ended: too many sessions', tone: 'plain' },
  record_forged: { title: 'Forged record in the store', tone: 'alarm' },
  store_alarm: { title: 'The store needs a look', tone: 'alarm' },
  stream_cut: { title: 'Live stream cut', tone: 'plain' },
  token_expired: { title: 'Access token expired', tone: 'plain' },
  token_foreign: { title: 'Access token of another issuer', tone: 'notice' },
  token_forged: { title: 'Forged access token', tone: 'notice' },
  token_malformed: { title: 'Not an access token', tone: 'plain' },
  token_missing: { title: 'No access token', tone: 'plain' },
  token_revoked: { title: 'Access token of an ended session', tone: 'plain' },
  unknown_session: { title: 'Session not known', tone: 'plain', outcome: 'refused' },
  user_added: { title: 'User added', tone: 'plain' },
  user_changed: { title: 'User changed', tone: 'plain' },
  user_disabled: { title: 'User disabled', tone: 'plain' },
}

/** The outcomes of a refresh, in the order in which they are drawn. */
export const outcomes = Object.freeze([
  { key: 'rotated', title: 'Refreshed', colour: '--rotated', means: 'got the next token' },
  { key: 'retried', title: 'Retried', colour: '--retried', means: 'an honest repeat: the same token again' },
  { key: 'refused', title: 'Refused', colour: '--refused', means: 'expired, ended, unknown or forged' },
  { key: 'reused', title: 'Reused', colour: '--reused', means: 'a superseded token came back: session ended' },
])

/**
 * What a reason is called.
 * @param {string} reason
 * @returns {ReasonWords}
 */
export function wordsOf(reason) {
  if (Object.hasOwn(reasons, reason)) return reasons[reason] ?? unknown(reason)
  return unknown(reason)
}

/**
 * The reasons that count to an outcome.
 * @param {string} outcome
 */
export function reasonsOf(outcome) {
  return Object.keys(reasons).filter((reason) => reasons[reason]?.outcome === outcome)
}

/** @param {string} reason @returns {ReasonWords} */
function unknown(reason) {
  return { title: reason.replaceAll('_', ' '), tone: 'plain' }
}
