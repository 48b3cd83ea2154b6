// The announcements to a screen reader: the result of an action, a change between live and not live, an alarm. One polite
// region for the whole page; numbers that move are never read out.
import { observable } from './state/observable.js'

/** At most one announcement of what happens by itself in this time, in ms. */
const quietMs = 10_000

/** The sentence in the live region. */
export const announcement = observable('')

let lastUnaskedMs = Number.NEGATIVE_INFINITY

/**
 * Says the result of what the operator did.
 * @param {string} sentence
 */
export function announce(sentence) {
  // The same sentence twice would not be read: a space at its end makes it another one.
  announcement.set(announcement.get() === sentence ? `${sentence} ` : sentence)
}

/**
 * Says what happened by itself, unless something was said a moment ago: the page shows it anyway.
 * @param {string} sentence
 * @param {number} [nowMs]
 */
export function mention(sentence, nowMs = Date.now()) {
  if (nowMs - lastUnaskedMs < quietMs) return
  lastUnaskedMs = nowMs
  announce(sentence)
}
