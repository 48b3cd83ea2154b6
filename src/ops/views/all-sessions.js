// All live sessions, subject after subject, a page at a time: there may be a million, and one page is all that is ever held.
// The place is in the address, so the browser's way back is the way to the page before.
import { useEffect, useRef } from 'preact/hooks'
import { announce } from '../announce.js'
import { html } from '../html.js'
import { useFocusAtTurn } from '../page-turns.js'
import { Empty, WhenLoaded } from '../parts/notice.js'
import { SessionTable } from '../parts/session-table.js'
import { linkTo } from '../route.js'
import { readSessionPage } from '../state/gateway.js'
import { useLoaded } from '../state/loading.js'
import { fillPage } from '../state/pages.js'

/** @typedef {import('../state/wire.ts').AdminSessionView} AdminSessionView */
/** @typedef {import('../state/pages.js').Page<AdminSessionView>} Page */

const pageSize = 25

/** @param {{ after: string | undefined }} props `after`: the place to begin from */
export function AllSessions({ after }) {
  const page = useLoaded(`all ${after ?? ''}`, () => fillPage(readSessionPage, after, pageSize))
  const heading = usePageTurns(after, page.value)
  return html`<section class="panel">
    <div class="bar">
      <h2 tabindex="-1" ref=${heading}>All live sessions</h2>
      <span class="bar-buttons">
        ${after && html`<a class="button" href=${linkTo(['sessions'])}>First page</a>`}
        <button type="button" class="button" onClick=${page.reload}>Look again</button>
      </span>
    </div>
    <${WhenLoaded} loaded=${page} rows=${8} draw=${(/** @type {Page} */ value) => drawPage(value, after)} />
  </section>`
}

/**
 * When the page is turned, a screen reader hears where it is.
 * @param {string | undefined} after
 * @param {Page | undefined} page
 */
function usePageTurns(after, page) {
  const heading = useFocusAtTurn(after)
  const announced = useRef(after)
  useEffect(() => {
    if (!page || announced.current === after) return
    announced.current = after
    announce(rangeOf(page))
  }, [page])
  return heading
}

/** @param {Page} page */
function rangeOf({ rows }) {
  const [first, last] = [rows[0], rows.at(-1)]
  if (!first || !last) return 'No session on this page.'
  return first.sub === last.sub ? `Sessions of ${first.sub}.` : `Sessions of ${first.sub} to ${last.sub}.`
}

/**
 * @param {Page} page
 * @param {string | undefined} after
 */
function drawPage({ rows, next }, after) {
  if (rows.length === 0 && !next && !after) {
    return html`<${Empty} title="No live session">Somebody signs in at <code>POST /auth/login</code>; then it is here.<//>`
  }
  const list =
    rows.length === 0
      ? html`<${Empty} title=${next ? 'None among so many users' : 'None behind this place'}>
          ${next ? 'There may be some further on.' : 'What was here has ended.'}
        <//>`
      : html`<${SessionTable} sessions=${rows} hasSubject label="All live sessions"
          caption="All live sessions by subject, newest sign-in first" />`
  return html`${list}
    <nav class="pager" aria-label="Pages of sessions">
      <span>${rows.length > 0 && rangeOf({ rows })}</span>
      ${
        next
          ? html`<a class="button" rel="next" href=${linkTo(['sessions'], { after: next })}>Next page</a>`
          : html`<span>That is all of them.</span>`
      }
    </nav>`
}
