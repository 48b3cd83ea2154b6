// Asking for the password again before something is changed: who walks up to a page that was left open has no password. What was
// asked for goes on by itself once it was right.
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { html } from '../html.js'
import { showUntilGone } from '../parts/confirm.js'
import { givePassword, keepPassword } from '../state/operator.js'

/** @param {{ sub: string }} props who is signed in */
export function PasswordDialog({ sub }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null))
  const [state, setState] = useState(/** @type {{ isAsking: boolean, problem?: string }} */ ({ isAsking: false }))
  const id = useId()
  useLayoutEffect(() => showUntilGone(dialog.current, keepPassword), [])

  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const fields = new FormData(event.currentTarget)
    setState({ isAsking: true })
    const problem = await givePassword(String(fields.get('password')))
    setState(problem === undefined ? { isAsking: false } : { isAsking: false, problem })
  }
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby=${id}>
    <form onSubmit=${submit}>
      <h2 id=${id}>Is it still you?</h2>
      <div class="dialog-text">
        <p>You signed in a while ago. To change something, give the password of <strong class="subject">${sub}</strong> again.</p>
        <input class="unseen" type="text" name="username" autocomplete="username" value=${sub} readonly tabindex="-1" aria-hidden="true" />
        <label class="field"
          ><span>Password</span>
          <input name="password" type="password" autocomplete="current-password" required autofocus />
        </label>
      </div>
      ${state.problem && html`<p class="failure" role="alert">${state.problem}</p>`}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick=${keepPassword}>Leave it</button>
        <button type="submit" class="button button-main" disabled=${state.isAsking}>
          ${state.isAsking ? 'Asking…' : 'Go on'}
        </button>
      </div>
    </form>
  </dialog>`
}
