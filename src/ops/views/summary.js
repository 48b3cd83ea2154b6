// The first line of the page: whether anything needs an operator, in one sentence, and the few numbers that go with it. It
// says the worst thing it knows.

import { html } from '../html.js'
import { linkTo } from '../route.js'
import { clock } from '../state/clock.js'
import { countsOf, sum } from '../state/history.js'
import { lagOf } from '../state/nodes.js'
import { useObservable } from '../state/observable.js'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * @template T
 * @typedef {import('../state/loading.js').Loaded<T>} Loaded
 */

/**
 * @param {object} props
 * @param {Loaded<import('../state/wire.ts').CountHistoryView>} props.history
 * @param {Loaded<import('../state/wire.ts').OverviewView>} props.overview
 * @param {Loaded<import('../state/wire.ts').SignalView[]>} props.worst the newest alarm and the newest warning
 * @param {string} props.window
 */
export function Summary({ history, overview, worst, window }) {
  const nowMs = useObservable(clock)
  const { tone, text, link } = check(history.value, overview.value, worst.value ?? [], window, nowMs)
  const { active_sessions: active, nodes = [], store } = overview.value ?? {}
  return html`<section class=${`summary summary-${tone}`}>
    <p class="summary-text">${text} ${link && html`<a href=${link.to}>${link.text}</a>`}</p>
    <dl class="facts facts-inline">
      <div><dt>Active sessions, last hour</dt><dd>${active ? active.hour.toLocaleString() : '–'}</dd></div>
      <div><dt>last day</dt><dd>${active ? active.day.toLocaleString() : '–'}</dd></div>
      <div><dt>Nodes</dt><dd>${nodes.length || '–'}</dd></div>
      <div><dt>Store</dt><dd>${store ?? '–'}</dd></div>
    </dl>
  </section>`
}

/**
 * @param {import('../state/wire.ts').CountHistoryView | undefined} history
 * @param {import('../state/wire.ts').OverviewView | undefined} overview
 * @param {import('../state/wire.ts').SignalView[]} worst
 * @param {string} window
 * @param {number} nowMs
 */
function check(history, overview, worst, window, nowMs) {
  const lagging = (overview?.nodes ?? []).filter((node) => lagOf(node, nowMs) !== undefined)
  if (lagging.length > 0) {
    const names = lagging.map(({ node }) => node).join(', ')
    const link = { to: linkTo(['system']), text: 'See the nodes' }
    return { tone: 'alarm', text: `${names}: news of revocations is late there.`, link }
  }
  if (!history) return { tone: 'plain', text: 'Reading the numbers…' }
  const reused = sum(countsOf(history, ['reused']))
  if (reused > 0) {
    const text = `${reused === 1 ? 'One session was' : `${reused} sessions were`} ended by reuse in the last ${window}.`
    return { tone: 'alarm', text, link: { to: linkTo(['events'], { reason: 'reused' }), text: 'See which' } }
  }
  const recent = worst.filter(({ at }) => Date.parse(at) > nowMs - (window === 'day' ? dayMs : hourMs))
  const alarm = recent.find(({ severity }) => severity === 'alarm')
  if (alarm) {
    return { tone: 'alarm', text: alarm.what, link: { to: linkTo(['signals'], { severity: 'alarm' }), text: 'See it' } }
  }
  if (recent.length > 0) {
    return {
      tone: 'notice',
      text: 'No reuse; there are signals to look at.',
      link: { to: linkTo(['signals']), text: 'See them' },
    }
  }
  return { tone: 'good', text: `Quiet: no reuse in the last ${window}, and every node is up to date.` }
}
