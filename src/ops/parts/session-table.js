// Live sessions as rows: who, which one, where it was signed in, how long it lives.
import { html } from '../html.js'
import { SessionLink, SubjectLink } from './links.js'
import { Moment } from './moment.js'

/** @typedef {import('../state/wire.ts').AdminSessionView} AdminSessionView */

/** @param {{ sessions: readonly AdminSessionView[], label: string, caption: string, hasSubject?: boolean }} props */
export function SessionTable({ sessions, label, caption, hasSubject = false }) {
  return html`<div class="table-frame" role="region" aria-label=${label} tabindex="0">
    <table class="table">
      <caption class="unseen">${caption}</caption>
      <thead>
        <tr>
          ${hasSubject && html`<th scope="col">Subject</th>`}
          <th scope="col">Session</th>
          <th scope="col">Device</th>
          <th scope="col">Address</th>
          <th scope="col">Signed in</th>
          <th scope="col">Last refreshed</th>
          <th scope="col">Ends unless used</th>
          <th scope="col" class="cell-number">Generation</th>
        </tr>
      </thead>
      <tbody>
        ${sessions.map((session) => html`<${Row} key=${session.sid} session=${session} hasSubject=${hasSubject} />`)}
      </tbody>
    </table>
  </div>`
}

/** @param {{ session: AdminSessionView, hasSubject: boolean }} props */
function Row({ session, hasSubject }) {
  return html`<tr>
    ${hasSubject && html`<td><${SubjectLink} sub=${session.sub} /></td>`}
    <td>
      <${SessionLink} sid=${session.sid} />
      ${session.current && html`<span class="cell-more">this one is yours</span>`}
    </td>
    <td>${session.device || '–'}</td>
    <td>${session.ip}</td>
    <td class="cell-time"><${Moment} at=${session.created_at} /></td>
    <td class="cell-time"><${Moment} at=${session.last_used_at} form="distance" /></td>
    <td class="cell-time"><${Moment} at=${session.expires_at} form="distance" /></td>
    <td class="cell-number">${session.generation.toLocaleString()}</td>
  </tr>`
}
