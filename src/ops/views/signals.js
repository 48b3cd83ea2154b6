// The view of signals, which sessions are suspicious and why: every signal with its numbers, newest first, by severity, a
// page at a time.
import { useEffect } from 'preact/hooks'
import { html } from '../html.js'
import { useFocusAtTurn } from '../page-turns.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { SignalCard } from '../parts/signal-card.js'
import { go, linkTo } from '../route.js'
import { readSignals } from '../state/gateway.js'
import { onEvent } from '../state/live.js'
import { useLoaded } from '../state/loading.js'

const pageSize = '50'
const reloadEveryMs = 15_000
const severities = ['alarm', 'warning', 'info']

/** @typedef {import('../state/wire.ts').SignalPageView} SignalPageView */
/** @typedef {{ severity: string | undefined, before: string | undefined }} Filter */

/** @param {{ query: Record<string, string> }} props */
export function SignalsView({ query: { severity, before } }) {
  const filter = { severity: severities.find((one) => one === severity), before }
  const isNewest = before === undefined
  const page = useLoaded(
    linkTo(['signals'], filter),
    () => readSignals({ ...filter, limit: pageSize }),
    isNewest ? reloadEveryMs : undefined,
  )
  const head = useFocusAtTurn(before)
  useEffect(() => (isNewest ? onEvent(({ reason }) => reason === 'reused' && page.reload()) : undefined), [isNewest])
  return html`<p class="lead">
      A signal is a rule that saw numbers beyond its threshold. Each says what it saw and why that matters; follow the
      session to see what led to it.
    </p>
    <${SeverityChoice} chosen=${filter.severity} />
    <div class="bar">
      <p class="bar-note" tabindex="-1" ref=${head}>
        ${isNewest ? 'Newest first; new ones appear as they are found.' : 'Older signals. They stay as they are.'}
      </p>
      ${!isNewest && html`<a class="button" href=${linkTo(['signals'], { ...filter, before: undefined })}>Back to now</a>`}
    </div>
    <${WhenLoaded} loaded=${page} rows=${5} draw=${(/** @type {SignalPageView} */ value) => drawPage(value, filter)} />`
}

/** @param {{ chosen: string | undefined }} props */
function SeverityChoice({ chosen }) {
  return html`<div class="choice" role="group" aria-label="Severity">
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
  </div>`
}

/**
 * @param {SignalPageView} page
 * @param {Filter} filter
 */
function drawPage({ signals, next }, filter) {
  if (signals.length === 0) return html`<${NoSignals} filter=${filter} />`
  return html`<div class="signals">
      ${signals.map((signal) => html`<${SignalCard} key=${signal.id} signal=${signal} heading="h2" />`)}
    </div>
    <nav class="pager" aria-label="Pages of signals">
      ${
        next
          ? html`<a class="button" rel="next" href=${linkTo(['signals'], { ...filter, before: next })}>Older</a>`
          : html`<span>That is all that is kept.</span>`
      }
    </nav>`
}

/** @param {{ filter: Filter }} props */
function NoSignals({ filter: { severity, before } }) {
  if (before) return html`<${Empty} title="None behind this place">What was here is kept no longer.<//>`
  return html`<${Empty} title=${severity === undefined ? 'No signals' : `No signals of severity “${severity}”`}>
    Rules look at reuse, retries from another client, refreshing far more often than tokens expire, a client or network that
    changed between generations, bursts of failed sign-ins, dormant sessions that wake, too many sessions, and healing.
  <//>`
}
