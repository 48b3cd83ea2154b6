// Small words with a tone: a reason, a severity, a state. The tone is never the colour alone; each has a mark of its own.
import { html } from '../html.js'
import { wordsOf } from '../words/reasons.js'

/** @typedef {import('../words/reasons.js').Tone} Tone */

/** @type {Record<Tone, string>} */
const marks = { good: '●', plain: '○', notice: '▲', alarm: '◆' }

/** @param {{ tone: Tone, children?: unknown, title?: string }} props */
export function Tag({ tone, children, title }) {
  return html`<span class=${`tag tag-${tone}`} title=${title}
    ><span class="tag-mark" aria-hidden="true">${marks[tone]}</span>${children}</span
  >`
}

/** @param {{ reason: string }} props */
export function ReasonTag({ reason }) {
  const { title, tone } = wordsOf(reason)
  return html`<${Tag} tone=${tone} title=${reason}>${title}<//>`
}
