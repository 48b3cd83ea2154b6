// The rules that find signals, as a table: what each counts, from where on it speaks, why it matters, and what a configured
// action would end.

export type RuleName = keyof typeof ruleTable
export type Action = 'report' | 'revoke' | 'login'

interface Rule {
  severity: 'info' | 'warning' | 'alarm'
  threshold: number
  /** What the threshold counts. */
  unit: string
  /** What `revoke` and `login` end; `nothing`: anybody could bring the signal about, so it may only be reported. */
  ends: 'session' | 'subject' | 'nothing'
  what: string
  why: string
}

/** Every rule. The window of a rate is part of its unit. */
export const ruleTable = {
  reuse: {
    severity: 'alarm',
    threshold: 1,
    unit: 'reuses',
    ends: 'subject',
    what: 'A superseded refresh token was used again after its time.',
    why: 'Two parties hold tokens of one session: one of them copied it. The session has been ended already.',
  },
  ahead: {
    severity: 'alarm',
    threshold: 1,
    unit: 'refusals',
    ends: 'nothing',
    what: 'A valid refresh token is newer than the store.',
    why: 'The store seems to have lost acknowledged writes: look at its replication.',
  },
  healed: {
    severity: 'info',
    threshold: 1,
    unit: 'healed sessions',
    ends: 'session',
    what: 'A session was healed: the store had lost its last rotations.',
    why: 'A failover lost acknowledged writes; the session went on without a new sign-in.',
  },
  retry_elsewhere: {
    severity: 'warning',
    threshold: 1,
    unit: 'retries',
    ends: 'session',
    what: 'A superseded refresh token was presented by another client or from another network than the session’s last.',
    why: 'A client repeats its own lost request from where it was; a copy is presented from elsewhere.',
  },
  lost_answers_in_a_row: {
    severity: 'warning',
    threshold: 2,
    unit: 'refreshes in a row whose response did not arrive',
    ends: 'session',
    what: 'One refresh after the other of a session came again because its response had not arrived.',
    why: 'A very bad line, or two parties who refresh by turns: the one takes what the other misses.',
  },
  skipped_generation_used: {
    severity: 'warning',
    threshold: 1,
    unit: 'uses',
    ends: 'session',
    what: 'An access token came into use whose response had been taken for lost.',
    why: 'A response that was very late, or a thief who had refreshed before the owner.',
  },
  refresh_rate: {
    severity: 'warning',
    threshold: 10,
    unit: 'refreshes in one life of an access token',
    ends: 'session',
    what: 'A session is refreshed far more often than its access tokens expire.',
    why: 'A client in a loop, or somebody who makes tokens in stock.',
  },
  client_changed: {
    severity: 'warning',
    threshold: 1,
    unit: 'changes',
    ends: 'session',
    what: 'A session is used by another client than before.',
    why: 'A session stays in one browser or app; updates change the version, copies change the name.',
  },
  network_changed: {
    severity: 'info',
    threshold: 1,
    unit: 'changes',
    ends: 'session',
    what: 'A session is used from another network than before.',
    why: 'People move; so do copies. It weighs more together with another signal.',
  },
  login_failures_subject: {
    severity: 'warning',
    threshold: 5,
    unit: 'failures in ten minutes',
    ends: 'nothing',
    what: 'Many sign-ins of one subject failed.',
    why: 'Somebody is guessing a password.',
  },
  login_failures_address: {
    severity: 'warning',
    threshold: 20,
    unit: 'failures in ten minutes',
    ends: 'nothing',
    what: 'Many sign-ins from one network failed.',
    why: 'Somebody is trying lists of names and passwords.',
  },
  failures_in_a_row: {
    severity: 'alarm',
    threshold: 1,
    unit: 'hundreds of failures in a row',
    ends: 'nothing',
    what: 'A hundred sign-ins of one subject have failed in a row, or a multiple of that.',
    why: 'Somebody goes on guessing a password. The pause between attempts has doubled; the owner should know.',
  },
  dormant_woke: {
    severity: 'info',
    threshold: 3,
    unit: 'days without a refresh',
    ends: 'session',
    what: 'A session that had slept for long is used again.',
    why: 'A stolen token is often kept for later; its owner would not notice.',
  },
  many_sessions: {
    severity: 'warning',
    threshold: 20,
    unit: 'sign-ins in an hour',
    ends: 'subject',
    what: 'A subject signs in again and again.',
    why: 'A script that signs in for every call, or a shared or stolen password.',
  },
} as const satisfies Record<string, Rule>

/** Whether a text names a rule. */
export function isRuleName(text: string): text is RuleName {
  return Object.hasOwn(ruleTable, text)
}

/** Whether a rule may be given an action: what anybody can bring about must end nobody's session. */
export function mayAct(rule: RuleName, action: string): action is Action {
  return action === 'report' || (ruleTable[rule].ends !== 'nothing' && (action === 'revoke' || action === 'login'))
}
