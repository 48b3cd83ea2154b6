// Events as rows: when, what, who, which session, from where.
import { html } from '../html.js'
import { length } from '../words/moments.js'
import { SessionLink, SubjectLink } from './links.js'
import { Moment } from './moment.js'
import { ReasonTag } from './tag.js'

/**
 * @param {{ events: readonly import('../state/wire.ts').EventView[], label: string, fresh?: ReadonlySet<string> }} props
 * `fresh`: ids of those that came in just now
 */
export function EventTable({ events, label, fresh }) {
  return html`<div class="table-frame" role="region" aria-label=${label} tabindex="0">
    <table class="table table-events">
      <caption class="unseen">${label}</caption>
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">What</th>
          <th scope="col">Subject</th>
          <th scope="col">Session</th>
          <th scope="col">From</th>
          <th scope="col">Node</th>
        </tr>
      </thead>
      <tbody>
        ${events.map((event) => html`<${EventRow} key=${event.id} event=${event} isFresh=${fresh?.has(event.id)} />`)}
      </tbody>
    </table>
  </div>`
}

/** @param {{ event: import('../state/wire.ts').EventView, isFresh: boolean }} props */
function EventRow({ event, isFresh }) {
  const { at, reason, sub, sid, client, network, node } = event
  return html`<tr class=${isFresh ? 'row-fresh' : ''}>
    <td class="cell-time"><${Moment} at=${at} /></td>
    <td><${ReasonTag} reason=${reason} /><span class="cell-more">${moreOf(event)}</span></td>
    <td><${SubjectLink} sub=${sub} /></td>
    <td><${SessionLink} sid=${sid} /></td>
    <td><span class="cell-client">${client ?? '–'}</span><span class="cell-more">${network}</span></td>
    <td class="cell-node">${node}</td>
  </tr>`
}

/** @param {import('../state/wire.ts').EventView} event */
function moreOf({ generation, token_age_seconds: age, actor, detail, method, route, instance, request_id: id }) {
  const parts = []
  if (generation !== undefined) parts.push(`generation ${generation}`)
  if (age !== undefined) parts.push(`token ${length(age * 1000)} old`)
  if (actor) parts.push(`by ${actor}`)
  if (detail) parts.push(detail)
  if (method) parts.push(route ? `${method} ${route}` : method)
  if (instance) parts.push(instance)
  if (id) parts.push(`request ${id}`)
  return parts.join(' · ')
}
