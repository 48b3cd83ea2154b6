// The view of the system: its nodes, how fresh each one's knowledge of revocations is, and the keys that sign access tokens.
// A node that is behind says what that means.

import { html } from '../html.js'
import { Moment } from '../parts/moment.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { Tag } from '../parts/tag.js'
import { clock } from '../state/clock.js'
import { readOverview } from '../state/gateway.js'
import { useLoaded } from '../state/loading.js'
import { lagOf } from '../state/nodes.js'
import { useObservable } from '../state/observable.js'
import { preciseLength } from '../words/moments.js'

/** @typedef {import('../state/wire.ts').OverviewView} OverviewView */
/** @typedef {import('../state/wire.ts').OverviewView['nodes'][number]} GatewayNode */

const reloadEveryMs = 5000

const lagWords = {
  late: 'Its revocation log is old: it may have lost the store. Past the limit of staleness it refuses requests, or serves them unknowing, as configured.',
  unseen: 'It has not reported for a while: it was stopped, or it cannot reach the store.',
}

/** @type {Record<string, import('../words/reasons.js').Tone>} */
const keyTones = { next: 'notice', current: 'good', retiring: 'plain' }

/** @type {Record<string, string>} */
const keyMeanings = {
  next: 'published, signs soon',
  current: 'signs now',
  retiring: 'kept until its last token expires',
}

/** Nodes and keys. */
export function SystemView() {
  const overview = useLoaded('overview', readOverview, reloadEveryMs)
  return html`<${WhenLoaded} loaded=${overview} rows=${8} draw=${drawOverview} />`
}

/** @param {OverviewView} overview */
function drawOverview({ store, nodes, keys }) {
  return html`<section class="panel">
      <div class="bar"><h2>Nodes</h2><p class="bar-note">Store: ${store}</p></div>
      ${nodes.length === 0 ? html`<${Empty} title="No node has reported yet">Each reports every few seconds.<//>` : html`<${NodeTable} nodes=${nodes} />`}
    </section>
    <section class="panel">
      <div class="bar"><h2>Signing keys</h2></div>
      ${keys.length === 0 ? html`<${Empty} title="No signing key">The first one is made at start.<//>` : html`<${KeyTable} keys=${keys} />`}
    </section>`
}

/** @param {{ nodes: GatewayNode[] }} props */
function NodeTable({ nodes }) {
  const nowMs = useObservable(clock)
  return html`<div class="table-frame" role="region" aria-label="Nodes" tabindex="0">
    <table class="table">
      <caption class="unseen">Nodes of the gateway</caption>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col">State</th>
          <th scope="col" class="cell-number">Revocation log</th>
          <th scope="col" class="cell-number">Entries</th>
          <th scope="col" class="cell-number">Store’s clock</th>
          <th scope="col">Heard</th>
          <th scope="col">Started</th>
          <th scope="col">Version</th>
        </tr>
      </thead>
      <tbody>
        ${nodes.map((node) => html`<${NodeRow} key=${node.node} node=${node} nowMs=${nowMs} />`)}
      </tbody>
    </table>
  </div>`
}

/** Access tokens are dated by clocks of nodes: one that is five seconds off is worth a word. */
const clockToleranceMs = 5000

/** @param {number | undefined} aheadMs of the store's clock */
function clockWords(aheadMs) {
  if (aheadMs === undefined) return 'not known'
  if (Math.abs(aheadMs) <= clockToleranceMs) return 'agrees'
  return html`<${Tag} tone="alarm">${preciseLength(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead' : 'behind'}<//>`
}

/** @param {{ node: GatewayNode, nowMs: number }} props */
function NodeRow({ node, nowMs }) {
  const lag = lagOf(node, nowMs)
  return html`<tr class=${lag ? 'row-alarm' : ''}>
    <th scope="row" class="cell-node">${node.node}</th>
    <td>
      ${lag ? html`<${Tag} tone="alarm">${lag === 'late' ? 'behind' : 'not heard'}<//>` : html`<${Tag} tone="good">up to date<//>`}
      ${lag && html`<span class="cell-more cell-wrap">${lagWords[lag]}</span>`}
    </td>
    <td class="cell-number">${preciseLength(node.revocation_log_age_ms)}</td>
    <td class="cell-number">${node.revocation_entries.toLocaleString()}</td>
    <td class="cell-number">${clockWords(node.store_ahead_ms)}</td>
    <td class="cell-time"><${Moment} at=${node.seen_at} form="distance" /></td>
    <td class="cell-time"><${Moment} at=${node.started_at} form="distance" /></td>
    <td>${node.version}</td>
  </tr>`
}

/** @param {{ keys: import('../state/wire.ts').OverviewView['keys'] }} props */
function KeyTable({ keys }) {
  return html`<div class="table-frame" role="region" aria-label="Signing keys" tabindex="0">
    <table class="table">
      <caption class="unseen">Keys that sign access tokens</caption>
      <thead>
        <tr>
          <th scope="col">Key</th>
          <th scope="col">State</th>
          <th scope="col">Algorithm</th>
          <th scope="col">Made</th>
          <th scope="col">Signs from</th>
        </tr>
      </thead>
      <tbody>
        ${keys.map(
          (key) => html`<tr key=${key.kid}>
            <th scope="row" class="id">${key.kid}</th>
            <td><${Tag} tone=${keyTones[key.state] ?? 'plain'}>${key.state}<//><span class="cell-more">${keyMeanings[key.state]}</span></td>
            <td>${key.alg}</td>
            <td class="cell-time"><${Moment} at=${key.created_at} form="distance" /></td>
            <td class="cell-time"><${Moment} at=${key.active_from} /></td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}
