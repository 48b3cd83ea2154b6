// Links to a session and to a subject, the same everywhere: text that came from a client is only ever text.
import { html } from '../html.js'
import { linkTo } from '../route.js'

/** Characters of a session identifier that are shown; the whole one is in the title. */
const shownCharacters = 12

/** @param {{ sid: string | undefined, whole?: boolean }} props */
export function SessionLink({ sid, whole = false }) {
  if (!sid) return html`<span class="absent">–</span>`
  return html`<a class="id" href=${linkTo(['sessions', sid])} title=${sid}
    >${whole ? sid : `${sid.slice(0, shownCharacters)}…`}</a
  >`
}

/** @param {{ sub: string | undefined }} props */
export function SubjectLink({ sub }) {
  if (!sub) return html`<span class="absent">–</span>`
  return html`<a class="subject" href=${linkTo(['sessions'], { sub })}>${sub}</a>`
}

/**
 * A user name as the gateway writes it, whichever way it was typed.
 * @param {string} typed
 */
export function canonicalName(typed) {
  return typed.trim().normalize('NFKC').toLowerCase()
}
