// The two buttons that end sessions, each with its question. After the gateway has answered, no node lets the session's
// tokens pass.
import { useEffect, useState } from 'preact/hooks'
import { announce } from '../announce.js'
import { html } from '../html.js'
import { endSession, endSessionsOf } from '../state/gateway.js'
import { operator } from '../state/operator.js'
import { Confirm } from './confirm.js'

/** @param {{ sid: string, sub: string, onEnded: () => void }} props */
export function EndSessionButton({ sid, sub, onEnded }) {
  const [isAsked, setAsked] = useState(false)
  useEffect(() => keepFocus, [])
  const act = async () => {
    await endSession(sid)
    announce(`The session of ${sub} has ended.`)
    onEnded()
  }
  return html`<button type="button" class="button button-danger" onClick=${() => setAsked(true)}>End session</button>
    ${
      isAsked &&
      html`<${Confirm} title="End this session?" verb="End session" act=${act} close=${() => setAsked(false)}>
        <p><strong class="subject">${sub}</strong> is signed out on this device. Its refresh token and its access tokens are refused from then on, on every node.</p>
        <p class="id">${sid}</p>
        ${isOwn(sid) && html`<p><strong>This is the session you are using here.</strong></p>`}
      <//>`
    }`
}

/** @param {{ sub: string, onEnded: () => void }} props */
export function EndSubjectButton({ sub, onEnded }) {
  const [isAsked, setAsked] = useState(false)
  const act = async () => {
    const ended = await endSessionsOf(sub)
    announce(ended === 1 ? `One session of ${sub} has ended.` : `${ended} sessions of ${sub} have ended.`)
    onEnded()
  }
  return html`<button type="button" class="button button-danger" onClick=${() => setAsked(true)}>End all sessions</button>
    ${
      isAsked &&
      html`<${Confirm} title="End all sessions?" verb="End all sessions" act=${act} close=${() => setAsked(false)}>
        <p><strong class="subject">${sub}</strong> is signed out on every device, and can sign in again with the password. To stop that, disable the user.</p>
        ${isOwnSubject(sub) && html`<p><strong>This is you: you will be signed out here, too.</strong></p>`}
      <//>`
    }`
}

/** @param {string} sid */
function isOwn(sid) {
  const own = operator.get()
  return own.state === 'signed-in' && own.sid === sid
}

/** @param {string} sub */
function isOwnSubject(sub) {
  const own = operator.get()
  return own.state === 'signed-in' && own.sub === sub
}

// The button goes with the session; whoever had the focus on it is not left at the top of the document.
function keepFocus() {
  setTimeout(() => {
    const heading = document.querySelector('h1')
    if (document.activeElement === document.body) heading?.focus()
  })
}
