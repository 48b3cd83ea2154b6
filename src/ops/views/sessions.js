// Finding a session: by subject, by session identifier, among those that were seen last, or page by page. The gateway is
// asked for one subject's sessions, or for a page, never for all: it may hold a million.
import { useState } from 'preact/hooks'
import { html } from '../html.js'
import { EndSubjectButton } from '../parts/ending.js'
import { canonicalName, SessionLink, SubjectLink } from '../parts/links.js'
import { Moment } from '../parts/moment.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { SessionTable } from '../parts/session-table.js'
import { ReasonTag } from '../parts/tag.js'
import { go, linkTo } from '../route.js'
import { readEvents, readSessionsOf } from '../state/gateway.js'
import { useLoaded } from '../state/loading.js'
import { AllSessions } from './all-sessions.js'

const sidPattern = /^[A-Za-z0-9_-]{32}$/
const recentEvents = '200'
const recentRows = 10
const pageSize = 25

/** @param {{ query: Record<string, string> }} props */
export function SessionsView({ query }) {
  const { sub, after } = query
  if (sub) return html`<${SearchForm} sub=${sub} /><${SubjectSessions} sub=${sub} />`
  return html`<${SearchForm} sub=${sub} />${after ? null : html`<${RecentSessions} />`}<${AllSessions} after=${after} />`
}

/** @param {{ sub: string | undefined }} props */
function SearchForm({ sub }) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const wanted = String(new FormData(event.currentTarget).get('wanted')).trim()
    go(sidPattern.test(wanted) ? linkTo(['sessions', wanted]) : linkTo(['sessions'], { sub: canonicalName(wanted) }))
  }
  return html`<form class="search" role="search" onSubmit=${submit}>
    <label class="field field-wide"
      ><span>Subject or session identifier</span>
      <input id="search" name="wanted" type="search" value=${sub ?? ''} maxlength="128" autocapitalize="none"
        spellcheck=${false} placeholder="alice" />
    </label>
    <button type="submit" class="button button-main">Find</button>
  </form>`
}

/** @param {{ sub: string }} props */
function SubjectSessions({ sub }) {
  const sessions = useLoaded(`of ${sub}`, () => readSessionsOf(sub))
  const draw = (/** @type {{ sessions: AdminSessionView[] }} */ { sessions: found }) =>
    found.length === 0
      ? html`<${Empty} title=${`${sub} has no live session`}>
          Sessions that ended are found by their identifier, or in the <a href=${linkTo(['events'], { sub })}> events of ${sub}</a>.
        <//>`
      : html`<${PagedSessions} sessions=${found} />`
  return html`<section class="panel">
    <div class="bar">
      <h2>Live sessions of <span class="subject">${sub}</span></h2>
      <span class="bar-buttons">
        <a class="button" href=${linkTo(['events'], { sub })}>Events</a>
        <${EndSubjectButton} sub=${sub} onEnded=${sessions.reload} />
      </span>
    </div>
    <${WhenLoaded} loaded=${sessions} draw=${draw} />
  </section>`
}

/** @typedef {import('../state/wire.ts').AdminSessionView} AdminSessionView */

/** @param {{ sessions: AdminSessionView[] }} props */
function PagedSessions({ sessions }) {
  const [page, setPage] = useState(0)
  const pages = Math.ceil(sessions.length / pageSize)
  const shown = sessions.slice(page * pageSize, (page + 1) * pageSize)
  return html`<${SessionTable} sessions=${shown} label="Live sessions" caption="Live sessions, newest sign-in first" />
    ${
      pages > 1 &&
      html`<div class="pager">
        <button type="button" class="button" disabled=${page === 0} onClick=${() => setPage(page - 1)}>Newer</button>
        <span>${page + 1} of ${pages}</span>
        <button type="button" class="button" disabled=${page + 1 >= pages} onClick=${() => setPage(page + 1)}>Older</button>
      </div>`
    }`
}

function RecentSessions() {
  const events = useLoaded('recent', () => readEvents({ limit: recentEvents }))
  return html`<section class="panel">
    <div class="bar">
      <h2>Seen last</h2>
      <button type="button" class="button" onClick=${events.reload}>Look again</button>
    </div>
    <p class="lead">The sessions of the newest ${recentEvents} events; some may have ended since.</p>
    <${WhenLoaded} loaded=${events} rows=${6} draw=${drawRecent} />
  </section>`
}

/** @param {import('../state/wire.ts').EventPageView} page */
function drawRecent({ events }) {
  const newest = new Map(events.toReversed().flatMap((event) => (event.sid ? [[event.sid, event]] : [])))
  const rows = [...newest.values()].sort((one, other) => (one.at < other.at ? 1 : -1)).slice(0, recentRows)
  if (rows.length === 0) {
    return html`<${Empty} title="No session yet">Somebody signs in at <code>POST /auth/login</code>; then it is here.<//>`
  }
  return html`<div class="table-frame" role="region" aria-label="Seen last" tabindex="0">
    <table class="table">
      <caption class="unseen">Sessions that were seen last</caption>
      <thead>
        <tr><th scope="col">Session</th><th scope="col">Subject</th><th scope="col">Last event</th><th scope="col">When</th><th scope="col">From</th></tr>
      </thead>
      <tbody>
        ${rows.map(
          (event) => html`<tr key=${event.sid}>
            <td><${SessionLink} sid=${event.sid} /></td>
            <td><${SubjectLink} sub=${event.sub} /></td>
            <td><${ReasonTag} reason=${event.reason} /></td>
            <td class="cell-time"><${Moment} at=${event.at} form="distance" /></td>
            <td><span class="cell-client">${event.client ?? '–'}</span><span class="cell-more">${event.network}</span></td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}
