// A signal: what was seen, the numbers and the threshold that made it one, why it matters, what was done. Nothing is hidden
// behind a score.
import { html } from '../html.js'
import { SessionLink, SubjectLink } from './links.js'
import { Moment } from './moment.js'
import { Tag } from './tag.js'

/** @type {Record<string, import('../reasons.js').Tone>} */
const tones = { info: 'plain', warning: 'notice', alarm: 'alarm' }

/** @type {Record<string, string>} */
const actions = {
  report: 'Reported only',
  revoke: 'The session was ended',
  login: 'A new sign-in was demanded',
}

/** @param {{ signal: import('../wire.ts').Signal, heading?: 'h2' | 'h3' }} props */
export function SignalCard({ signal, heading = 'h3' }) {
  const { rule, at, sub, sid, severity, what, why, action } = signal
  return html`<article class=${`signal signal-${severity}`}>
    <header class="signal-head">
      <${Tag} tone=${tones[severity] ?? 'plain'}>${severity}<//>
      <${heading} class="signal-what">${what}<//>
      <span class="signal-time"><${Moment} at=${at} form="distance" /></span>
    </header>
    <p class="signal-why">${why}</p>
    <dl class="facts facts-inline">
      <div><dt>Rule</dt><dd><code>${rule}</code></dd></div>
      ${Object.entries(signal.numbers).map(
        ([name, count]) => html`<div key=${name}><dt>${spaced(name)}</dt><dd>${numberText(count)}</dd></div>`,
      )}
      <div><dt>Threshold</dt><dd>${numberText(signal.threshold)}</dd></div>
      <div><dt>Done</dt><dd>${actions[action] ?? action}</dd></div>
      ${sub && html`<div><dt>Subject</dt><dd><${SubjectLink} sub=${sub} /></dd></div>`}
      ${sid && html`<div><dt>Session</dt><dd><${SessionLink} sid=${sid} /></dd></div>`}
    </dl>
  </article>`
}

/** @param {string} name */
function spaced(name) {
  return name.replaceAll('_', ' ')
}

/** @param {unknown} value a newer gateway may give words */
function numberText(value) {
  return typeof value === 'number' ? value.toLocaleString() : String(value)
}
