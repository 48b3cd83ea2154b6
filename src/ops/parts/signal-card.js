// A signal: what was seen, the numbers and the threshold that made it one, why it matters, what was done. Nothing is hidden
// behind a score.
import { html } from '../html.js'
import { doneOf, factsOf } from '../words/signals.js'
import { SessionLink, SubjectLink } from './links.js'
import { Moment } from './moment.js'
import { Tag } from './tag.js'

/** @type {Record<string, import('../words/reasons.js').Tone>} */
const tones = { info: 'plain', warning: 'notice', alarm: 'alarm' }

/** @param {{ signal: import('../state/wire.ts').SignalView, heading?: 'h2' | 'h3' }} props */
export function SignalCard({ signal, heading = 'h3' }) {
  const { rule, at, sub, sid, severity, what, why } = signal
  return html`<article class=${`signal signal-${severity}`}>
    <header class="signal-head">
      <${Tag} tone=${tones[severity] ?? 'plain'}>${severity}<//>
      <${heading} class="signal-what">${what}<//>
      <span class="signal-time"><${Moment} at=${at} form="distance" /></span>
    </header>
    <p class="signal-why">${why}</p>
    <dl class="facts facts-inline">
      <div><dt>Rule</dt><dd><code>${rule}</code></dd></div>
      ${factsOf(signal.numbers).map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}
      <div><dt>Threshold</dt><dd>${signal.threshold.toLocaleString()}</dd></div>
      <div><dt>Done</dt><dd>${doneOf(signal)}</dd></div>
      ${sub && html`<div><dt>Subject</dt><dd><${SubjectLink} sub=${sub} /></dd></div>`}
      ${sid && html`<div><dt>Session</dt><dd><${SessionLink} sid=${sid} /></dd></div>`}
    </dl>
  </article>`
}
