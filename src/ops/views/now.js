// The view of now: a sentence, numbers with their shape, refreshes by outcome over the last hour or day, the latest signals
// and the latest events. Live counts are added as they come; once a minute the gateway's own history replaces them.
import { useEffect, useState } from 'preact/hooks'
import { html } from '../html.js'
import { OutcomeChart } from '../parts/chart.js'
import { EventTable } from '../parts/event-table.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { SignalCard } from '../parts/signal-card.js'
import { Sparkline } from '../parts/sparkline.js'
import { linkTo } from '../route.js'
import { clock } from '../state/clock.js'
import { readEvents, readHistory, readOverview, readSignals } from '../state/gateway.js'
import { countsOf, rowsOf, sum, withAudit } from '../state/history.js'
import { onAudit, onEvent } from '../state/live.js'
import { useLoaded } from '../state/loading.js'
import { localTime } from '../words/moments.js'
import { outcomes, reasonsOf } from '../words/reasons.js'
import { Summary } from './summary.js'

const everyMinuteMs = 60_000
const overviewEveryMs = 10_000
const latestEvents = 8
const latestSignals = '3'

const signIns = [
  { key: 'signed-in', title: 'Signed in', colour: '--rotated', reasons: ['login_ok'], means: 'new sessions' },
  {
    key: 'not-signed-in',
    title: 'Sign-ins failed',
    colour: '--refused',
    reasons: ['login_failed', 'login_limited'],
    means: 'wrong password, or over the limit',
  },
]
const tiles = [...outcomes.map((outcome) => ({ ...outcome, reasons: reasonsOf(outcome.key) })), ...signIns]

/** The first view. */
export function NowView() {
  const [window, setWindow] = useState(/** @type {'hour' | 'day'} */ ('hour'))
  const history = useLoaded(window, () => readHistory(window), everyMinuteMs)
  const overview = useLoaded('overview', readOverview, overviewEveryMs)
  const signals = useLoaded('signals', () => readSignals({ limit: latestSignals }), everyMinuteMs)
  const worst = useLoaded('worst', readWorst, everyMinuteMs)
  const events = useLoaded('events', () => readEvents({ limit: String(latestEvents) }))
  useEffect(() => onAudit((usage) => history.change((old) => withAudit(old, usage))), [])
  useEffect(
    () =>
      onEvent((event) => {
        take(event, events)
        if (event.reason !== 'reused') return
        signals.reload()
        worst.reload()
      }),
    [],
  )

  return html`<${Summary} history=${history} overview=${overview} worst=${worst} window=${window} />
    <div class="bar">
      <h2>Refreshes by outcome</h2>
      <${WindowChoice} window=${window} choose=${setWindow} />
    </div>
    <${WhenLoaded} loaded=${history} rows=${6} draw=${(/** @type {CountHistoryView} */ value) =>
      html`<${Numbers} history=${value} window=${window} />`} />
    <section class="panel">
      <div class="bar"><h2>Latest signals</h2><a href=${linkTo(['signals'])}>All signals</a></div>
      <${WhenLoaded} loaded=${signals} draw=${drawSignals} />
    </section>
    <section class="panel">
      <div class="bar"><h2>Latest events</h2><a href=${linkTo(['events'])}>All events</a></div>
      <${WhenLoaded} loaded=${events} rows=${latestEvents} draw=${drawEvents} />
    </section>`
}

/** @typedef {import('../state/wire.ts').CountHistoryView} CountHistoryView */

/** The newest alarm and the newest warning, if there are any: lesser signals may have come after them. */
async function readWorst() {
  const pages = await Promise.all(['alarm', 'warning'].map((severity) => readSignals({ severity, limit: '1' })))
  return pages.flatMap(({ signals }) => signals)
}

/**
 * @param {import('../state/wire.ts').EventView} event
 * @param {import('../state/loading.js').Loaded<import('../state/wire.ts').EventPageView>} events
 */
function take(event, events) {
  events.change((old) => ({
    ...old,
    events: [event, ...old.events.filter(({ id }) => id !== event.id)].slice(0, latestEvents),
  }))
}

/** @param {{ window: string, choose: (window: 'hour' | 'day') => void }} props */
function WindowChoice({ window, choose }) {
  const choices = /** @type {const} */ (['hour', 'day'])
  return html`<div class="choice" role="group" aria-label="Time shown">
    ${choices.map(
      (one) => html`<button type="button" key=${one} aria-pressed=${one === window} onClick=${() => choose(one)}>
        Last ${one}
      </button>`,
    )}
  </div>`
}

/** @param {{ history: CountHistoryView, window: string }} props */
function Numbers({ history, window }) {
  return html`<div class="tiles">
      ${tiles.map((tile) => html`<${Tile} key=${tile.key} tile=${tile} history=${history} />`)}
    </div>
    <div class="panel">
      <${OutcomeChart} key=${window} history=${history} window=${window} />
      <details class="as-table">
        <summary>The same as a table</summary>
        <${OutcomeTable} history=${history} />
      </details>
    </div>`
}

/** @param {{ tile: typeof tiles[number], history: CountHistoryView }} props */
function Tile({ tile, history }) {
  const counts = countsOf(history, tile.reasons)
  const all = sum(counts)
  return html`<div class=${`tile ${tile.key === 'reused' && all > 0 ? 'tile-alarm' : ''}`} data-tile=${tile.key}>
    <p class="tile-title">${tile.title}</p>
    <p class="tile-number">${all.toLocaleString()}</p>
    <${Sparkline} counts=${counts} colour=${tile.colour} />
    <p class="tile-means">${tile.means}</p>
  </div>`
}

/** @param {{ history: CountHistoryView }} props */
function OutcomeTable({ history }) {
  return html`<div class="table-frame" role="region" aria-label="Refreshes by outcome" tabindex="0">
    <table class="table table-numbers">
      <caption class="unseen">Refreshes by outcome, newest first</caption>
      <thead>
        <tr><th scope="col">From</th>${outcomes.map(({ key, title }) => html`<th scope="col" key=${key}>${title}</th>`)}</tr>
      </thead>
      <tbody>
        ${rowsOf(history).map(
          ({ atMs, counts }) => html`<tr key=${atMs}>
            <th scope="row">${localTime(atMs, clock.get())}</th>
            ${counts.map((count, i) => html`<td key=${i}>${count.toLocaleString()}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

/** @param {{ signals: import('../state/wire.ts').SignalView[] }} value */
function drawSignals({ signals }) {
  if (signals.length > 0) return signals.map((signal) => html`<${SignalCard} key=${signal.id} signal=${signal} />`)
  return html`<${Empty} title="No signals">
    When a refresh token is reused, a client refreshes far too often, or sign-ins fail in bursts, it says so here, with the
    numbers that made it say so.
  <//>`
}

/** @param {import('../state/wire.ts').EventPageView} value */
function drawEvents({ events }) {
  if (events.length > 0) return html`<${EventTable} events=${events} label="Latest events" />`
  return html`<${Empty} title="Nothing has happened yet">Sign-ins and refreshes appear here as they happen.<//>`
}
