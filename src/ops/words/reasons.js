// Every reason in an operator's words: a title, how serious it is, and which outcome of a refresh it counts to. They are columns
// of the gateway's table of reasons. A reason that a newer gateway adds is shown by its name.
import { reasonTable } from '#reasons'

/** @typedef {'good' | 'plain' | 'notice' | 'alarm'} Tone how serious something is; each has a mark beside its colour */
/** @typedef {'rotated' | 'retried' | 'refused' | 'reused'} Outcome what became of a refresh */
/** @typedef {{ title: string, tone: Tone, refresh?: Outcome }} ReasonWords */

/** @type {Record<string, ReasonWords>} */
export const reasons = reasonTable

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
  return Object.keys(reasons).filter((reason) => reasons[reason]?.refresh === outcome)
}

/** @param {string} reason @returns {ReasonWords} */
function unknown(reason) {
  return { title: reason.replaceAll('_', ' '), tone: 'plain' }
}
