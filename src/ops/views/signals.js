// Which sessions are suspicious and why: every signal with its numbers, newest first, by severity.
import { useEffect } from 'preact/hooks'
import { readSignals } from '../gateway.js'
import { html } from '../html.js'
import { onEvent } from '../live.js'
import { useLoaded } from '../loading.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { SignalCard } from '../parts/signal-card.js'
import { go, linkTo } from '../route.js'

const most = 200
const reloadEveryMs = 15_000
const severities = ['alarm', 'warning', 'info']

/** @param {{ query: Record<string, string> }} props */
export function SignalsView({ query }) {
  const signals = useLoaded('signals', () => readSignals(most), reloadEveryMs)
  useEffect(() => onEvent(({ reason }) => reason === 'reused' && signals.reload()), [])
  const chosen = severities.includes(query['severity'] ?? '') ? query['severity'] : undefined
  return html`<p class="lead">
      A signal is a rule that saw numbers beyond its threshold. Each says what it saw and why that matters; follow the
      session to see what led to it.
    </p>
    <div class="choice" role="group" aria-label="Severity">
      ${[undefined, ...severities].map(
        (one) => html`<button
          type="button"
          key=${one ?? 'all'}
          aria-pressed=${one === chosen}
          onClick=${() => go(linkTo(['signals'], { severity: one }))}
        >
          ${one ?? 'all'}
        </button>`,
      )}
    </div>
    <${WhenLoaded} loaded=${signals} rows=${5} draw=${(/** @type {Page} */ page) => drawSignals(page, chosen)} />`
}

/** @typedef {{ signals: import('../wire.ts').Signal[] }} Page */

/**
 * @param {Page} page
 * @param {string | undefined} severity
 */
function drawSignals({ signals }, severity) {
  const kept = signals.filter((signal) => severity === undefined || signal.severity === severity)
  if (kept.length === 0) return html`<${NoSignals} severity=${severity} />`
  return html`<div class="signals">
      ${kept.map((signal) => html`<${SignalCard} key=${signal.id} signal=${signal} heading="h2" />`)}
    </div>
    ${signals.length === most && html`<p class="more">These are the newest ${most}; older ones are in the events.</p>`}`
}

/** @param {{ severity: string | undefined }} props */
function NoSignals({ severity }) {
  return html`<${Empty} title=${severity === undefined ? 'No signals' : `No signals of severity “${severity}”`}>
    Rules look at reuse, retries from another client, refreshing far more often than tokens expire, a client or network that
    changed between generations, bursts of failed sign-ins, dormant sessions that wake, too many sessions, and healing.
  <//>`
}
