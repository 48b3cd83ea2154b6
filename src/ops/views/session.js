// One session, and why its person was logged out: how it ended in one sentence, and everything that led to
// it, oldest first. While it lives, it can be ended here.
import { useEffect } from 'preact/hooks'
import { html } from '../html.js'
import { EndSessionButton } from '../parts/ending.js'
import { SubjectLink } from '../parts/links.js'
import { Moment } from '../parts/moment.js'
import { Empty, Failure, WhenLoaded } from '../parts/notice.js'
import { ReasonTag, Tag } from '../parts/tag.js'
import { linkTo } from '../route.js'
import { readSession, readTimeline } from '../state/gateway.js'
import { onEvent } from '../state/live.js'
import { useLoaded } from '../state/loading.js'
import { wordsOf } from '../words/reasons.js'

/** @param {{ sid: string }} props */
export function SessionView({ sid }) {
  const session = useLoaded(`session ${sid}`, () => readSession(sid))
  const timeline = useLoaded(`timeline ${sid}`, () => readTimeline(sid))
  const reload = () => {
    session.reload()
    timeline.reload()
  }
  useEffect(() => onEvent((event) => event.sid === sid && reload()), [sid])
  if (session.error && statusOf(session.error) === 404) return html`<${NoSession} sid=${sid} timeline=${timeline} />`
  return html`<${WhenLoaded} loaded=${session} rows=${5} draw=${(/** @type {AdminSessionView} */ record) =>
    html`<${Head} record=${record} timeline=${timeline.value} reload=${reload} />`} />
    <section class="panel">
      <div class="bar">
        <h2>What happened</h2>
        <a class="button" href=${linkTo(['events'], { sid })}>Its events</a>
      </div>
      <${WhenLoaded} loaded=${timeline} rows=${6} draw=${drawTimeline} />
    </section>`
}

/** @typedef {import('../state/wire.ts').AdminSessionView} AdminSessionView */
/** @typedef {import('../state/wire.ts').TimelineView} TimelineView */

/** @param {{ record: AdminSessionView, timeline: TimelineView | undefined, reload: () => void }} props */
function Head({ record, timeline, reload }) {
  const endedAt = record.ended_at ?? timeline?.ended?.at
  const reason = timeline?.ended?.reason ?? record.end_reason
  return html`<section class=${`panel result result-${endedAt ? toneOf(reason) : 'good'}`}>
    <div class="bar">
      <p class="result-text">
        ${endedAt ? sentenceOf(timeline, reason) : 'This session is alive.'}
        ${endedAt && html` <span class="result-time"><${Moment} at=${endedAt} /></span>`}
      </p>
      ${
        endedAt
          ? reason && html`<${ReasonTag} reason=${reason} />`
          : html`<${EndSessionButton} sid=${record.sid} sub=${record.sub} onEnded=${reload} />`
      }
    </div>
    <${Facts} record=${record} isEnded=${endedAt !== undefined} />
  </section>`
}

/** @param {{ record: AdminSessionView, isEnded: boolean }} props */
function Facts({ record, isEnded }) {
  /** @type {[string, unknown][]} */
  const facts = [
    ['Subject', html`<${SubjectLink} sub=${record.sub} />`],
    ['Device', record.device || 'not named'],
    ['Signed in from', record.ip],
    ['Signed in', html`<${Moment} at=${record.created_at} />`],
    ['Last refreshed', html`<${Moment} at=${record.last_used_at} />`],
    [isEnded ? 'Would have ended' : 'Ends unless used', html`<${Moment} at=${record.expires_at} />`],
    ['Generation', record.generation.toLocaleString()],
    ['Roles', record.roles.join(', ') || 'none'],
    ['Scope', record.scope || 'none'],
    ['Signed in by', record.amr.join(', ') || '–'],
    ['Session', html`<span class="id">${record.sid}</span>`],
  ]
  return html`<dl class="facts">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`
}

/** @param {TimelineView} timeline */
function drawTimeline({ entries }) {
  if (entries.length === 0) {
    return html`<${Empty} title="Nothing is remembered of it">
      A timeline is kept for as long as the session's record; what happened before is in the log.
    <//>`
  }
  return html`<ol class="timeline">
    ${entries.map((entry, i) => html`<${Entry} key=${i} entry=${entry} />`)}
  </ol>`
}

/** @param {{ entry: import('../state/wire.ts').TimelineEntryView }} props */
function Entry({ entry }) {
  const { at, until, count, reason, sentence } = entry
  return html`<li class=${`entry entry-${toneOf(reason)}`}>
    <p class="entry-time">
      <${Moment} at=${at} />${until && until !== at && html` – <${Moment} at=${until} />`}
    </p>
    <div class="entry-body">
      <p class="entry-sentence">
        ${sentence} ${count > 1 && html`<${Tag} tone="plain" title=${`${count} times`}>${count.toLocaleString()} times<//>`}
      </p>
      <p class="entry-more">${moreOf(entry)}</p>
    </div>
  </li>`
}

/** @param {import('../state/wire.ts').TimelineEntryView} entry */
function moreOf({ reason, generation, client, network, node }) {
  const parts = [wordsOf(reason).title]
  if (generation !== undefined) parts.push(`generation ${generation}`)
  for (const part of [client, network, node]) if (part) parts.push(part)
  return parts.join(' · ')
}

/** @param {{ sid: string, timeline: import('../state/loading.js').Loaded<TimelineView> }} props */
function NoSession({ sid, timeline }) {
  const remembered = timeline.value?.entries.length ? drawTimeline(timeline.value) : null
  return html`<section class="panel">
    <${Empty} title="There is no such session">
      The store does not know <span class="id">${sid}</span>: it never was, or its record has expired. Its
      <a href=${linkTo(['events'], { sid })}> events</a> may still be there; so may sessions of a
      <a href=${linkTo(['sessions'], { sub: sid })}> subject of this name</a>.
    <//>
    ${remembered}
    ${timeline.error && statusOf(timeline.error) !== 404 && html`<${Failure} error=${timeline.error} />`}
  </section>`
}

/** @param {TimelineView | undefined} timeline @param {string | undefined} reason */
function sentenceOf(timeline, reason) {
  return timeline?.ended?.sentence ?? (reason === undefined ? 'This session has ended.' : `${wordsOf(reason).title}.`)
}

/** @param {string | undefined} reason */
function toneOf(reason) {
  return reason === undefined ? 'plain' : wordsOf(reason).tone
}

/** @param {Error} error */
function statusOf(error) {
  return 'status' in error ? error.status : undefined
}
