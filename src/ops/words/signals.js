// The words for a signal: what was done about it, and the numbers it saw. Pure.
import { length } from './moments.js'

/** Rules whose action ends every session of the subject; a test holds the list to the gateway's. */
const subjectRules = new Set(['reuse', 'many_sessions'])

/**
 * What the gateway did.
 * @param {{ rule: string, action: string }} signal
 * @returns {string} the action's own word for one that a newer gateway knows
 */
export function doneOf({ rule, action }) {
  const isOfSubject = subjectRules.has(rule)
  if (action === 'report') return 'Reported only'
  if (action === 'revoke') return isOfSubject ? 'All sessions of the subject were ended' : 'The session was ended'
  if (action !== 'login') return action
  return isOfSubject ? 'All sessions of the subject were ended: they must sign in again' : 'A new sign-in was demanded'
}

/**
 * What the rule saw, a name and a text each; seconds as a length of time.
 * @param {Record<string, number | string>} numbers
 * @returns {[name: string, text: string][]}
 */
export function factsOf(numbers) {
  return Object.entries(numbers).map(([name, value]) => {
    const bare = name.replace(/_seconds$/, '')
    const text =
      typeof value !== 'number' ? String(value) : bare === name ? value.toLocaleString() : length(value * 1000)
    return [bare.replaceAll('_', ' '), text]
  })
}
