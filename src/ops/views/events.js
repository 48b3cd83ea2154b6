// Everything that happens, newest first, as it happens or page by page into the past, filtered by reason, subject or session.
// Filters are in the address, so that a finding can be passed on. It never holds more rows than the limit.
import { useEffect, useRef, useState } from 'preact/hooks'
import { html } from '../html.js'
import { useFocusAtTurn } from '../page-turns.js'
import { EventTable } from '../parts/event-table.js'
import { canonicalName } from '../parts/links.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { go, linkTo } from '../route.js'
import { readEvents } from '../state/gateway.js'
import { onEvent } from '../state/live.js'
import { useLoaded } from '../state/loading.js'
import { reasons } from '../words/reasons.js'

/** @typedef {import('../state/wire.ts').EventPageView} EventPageView */
/** @typedef {import('../state/wire.ts').EventView} EventView */
/** @typedef {{ reason?: string, sub?: string, sid?: string, before?: string }} Filter */

const pageSize = '50'
const rowLimit = 200

/** @param {{ query: Record<string, string> }} props */
export function EventsView({ query }) {
  const { reason, sub, sid, before } = query
  const filter = { reason, sub, sid, before }
  const key = linkTo(['events'], filter)
  const head = useFocusAtTurn(before)
  return html`<${FilterForm} filter=${filter} /><${EventList} key=${key} filter=${filter} head=${head} />`
}

/** @param {{ filter: Filter }} props */
function FilterForm({ filter }) {
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault()
    const form = event.currentTarget instanceof HTMLSelectElement ? event.currentTarget.form : event.currentTarget
    if (!(form instanceof HTMLFormElement)) return
    const fields = new FormData(form)
    const read = (/** @type {string} */ name) => String(fields.get(name) ?? '').trim()
    go(linkTo(['events'], { reason: read('reason'), sub: canonicalName(read('sub')), sid: read('sid') }))
  }
  return html`<form class="search" role="search" onSubmit=${submit}>
    <label class="field"
      ><span>Reason</span>
      <select name="reason" onChange=${submit} value=${filter.reason ?? ''}>
        <option value="">every reason</option>
        ${Object.entries(reasons).map(([name, { title }]) => html`<option key=${name} value=${name}>${title}</option>`)}
      </select>
    </label>
    <label class="field"
      ><span>Subject</span>
      <input id="search" name="sub" type="search" value=${filter.sub ?? ''} maxlength="128" autocapitalize="none" spellcheck=${false} />
    </label>
    <label class="field field-wide"
      ><span>Session</span>
      <input name="sid" type="search" pattern="[A-Za-z0-9_\\-]{32}" title="32 letters, digits, - or _" value=${filter.sid ?? ''} maxlength="128" autocapitalize="none" spellcheck=${false} />
    </label>
    <button type="submit" class="button button-main">Filter</button>
    <a class="button" href=${linkTo(['events'])}>Clear</a>
  </form>`
}

/** @param {{ filter: Filter, head: { current: HTMLElement | null } }} props */
function EventList({ filter, head }) {
  const page = useLoaded(linkTo([], filter), () => readEvents({ ...filter, limit: pageSize }))
  const isFollowing = filter.before === undefined
  const arrivals = useArrivals(page, filter, isFollowing)
  return html`<div class="bar">
      <p class="bar-note" tabindex="-1" ref=${head}>${isFollowing ? followingWords(arrivals.isPaused) : 'Older events. They stay as they are.'}</p>
      <span class="bar-buttons">
        ${
          isFollowing
            ? html`<button type="button" class="button" onClick=${arrivals.toggle}>
                ${arrivals.isPaused ? `Show ${arrivals.waiting || 'no'} new` : 'Pause'}
              </button>`
            : html`<a class="button" href=${linkTo(['events'], { ...filter, before: undefined })}>Back to now</a>`
        }
      </span>
    </div>
    <${WhenLoaded} loaded=${page} rows=${10} draw=${(/** @type {EventPageView} */ value) =>
      drawPage(value, filter, arrivals.fresh)} />`
}

/**
 * What comes in while the operator looks: into the list, or aside while it is paused.
 * @param {import('../state/loading.js').Loaded<EventPageView>} page
 * @param {Filter} filter
 * @param {boolean} isFollowing
 */
function useArrivals(page, filter, isFollowing) {
  const [isPaused, setPaused] = useState(false)
  const [waiting, setWaiting] = useState(/** @type {EventView[]} */ ([]))
  const [fresh, setFresh] = useState(/** @type {ReadonlySet<string>} */ (new Set()))
  const paused = useRef(isPaused)
  paused.current = isPaused
  useEffect(() => {
    if (!isFollowing) return
    return onEvent((event) => {
      if (!isWanted(event, filter)) return
      if (paused.current) return setWaiting((old) => [event, ...old].slice(0, rowLimit))
      setFresh(new Set([event.id]))
      page.change((old) => withEvents(old, [event]))
    })
  }, [])
  const toggle = () => {
    if (isPaused) page.change((old) => withEvents(old, waiting))
    setWaiting([])
    setPaused(!isPaused)
  }
  return { isPaused, toggle, fresh, waiting: waiting.length }
}

/**
 * Rows that fall out at the end are found again as the next page.
 * @param {EventPageView} page
 * @param {EventView[]} arrived newest first
 * @returns {EventPageView}
 */
function withEvents(page, arrived) {
  const known = new Set(page.events.map(({ id }) => id))
  const events = [...arrived.filter(({ id }) => !known.has(id)), ...page.events]
  if (events.length <= rowLimit) return { ...page, events }
  const kept = events.slice(0, rowLimit)
  return { events: kept, next: kept.at(-1)?.id ?? null }
}

/** @param {EventView} event @param {Filter} filter */
function isWanted(event, { reason, sub, sid }) {
  return (!reason || event.reason === reason) && (!sub || event.sub === sub) && (!sid || event.sid === sid)
}

/** @param {boolean} isPaused */
function followingWords(isPaused) {
  return isPaused ? 'Paused: what comes in waits above the list.' : 'New events appear at the top as they happen.'
}

/**
 * @param {EventPageView} page
 * @param {Filter} filter
 * @param {ReadonlySet<string>} fresh
 */
function drawPage({ events, next }, filter, fresh) {
  if (events.length === 0 && !next) return html`<${NoEvents} filter=${filter} />`
  const older = next && linkTo(['events'], { ...filter, before: next })
  // A filtered page looks through so many events and no further: it may be empty with more behind it.
  const list =
    events.length === 0
      ? html`<${Empty} title="None among the newest">There may be some further back.<//>`
      : html`<${EventTable} events=${events} label="Events" fresh=${fresh} />`
  return html`${list}
    <div class="pager">
      ${older ? html`<a class="button" href=${older}>Older</a>` : html`<span>That is all that is kept.</span>`}
    </div>`
}

/** @param {{ filter: Filter }} props */
function NoEvents({ filter }) {
  const isFiltered = Object.values(filter).some(Boolean)
  return html`<${Empty} title=${isFiltered ? 'No event fits' : 'Nothing has happened yet'}>
    ${
      isFiltered
        ? 'The newest events are kept for a while, not for ever; the log has them all.'
        : 'Every sign-in, refresh and refusal appears here with its one reason.'
    }
  <//>`
}
