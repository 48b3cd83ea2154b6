// Asking before something is ended: a dialog that names what it will do, holds the focus, closes on Escape, and stays open
// with the sentence of the gateway when that refuses.
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { html } from '../html.js'

/**
 * @param {object} props
 * @param {string} props.title a question
 * @param {unknown} props.children what will happen
 * @param {string} props.verb on the button that does it
 * @param {() => Promise<void>} props.act closes the dialog when it resolves
 * @param {() => void} props.close
 */
export function Confirm({ title, children, verb, act, close }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null))
  const [state, setState] = useState(/** @type {{ isActing: boolean, error?: Error }} */ ({ isActing: false }))
  const id = useId()
  useLayoutEffect(() => showUntilGone(dialog.current, close), [])

  const run = async () => {
    setState({ isActing: true })
    try {
      await act()
      close()
    } catch (error) {
      setState({ isActing: false, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    <div class="dialog-text">${children}</div>
    ${state.error && html`<p class="failure" role="alert">${state.error.message}</p>`}
    <div class="dialog-buttons">
      <button type="button" class="button" onClick=${close}>Keep it</button>
      <button type="button" class="button button-danger" disabled=${state.isActing} onClick=${run}>
        ${state.isActing ? 'Ending…' : verb}
      </button>
    </div>
  </dialog>`
}

/**
 * Shows a dialog above everything else, until its component goes.
 * @param {HTMLDialogElement | null} dialog
 * @param {() => void} close called when it is closed otherwise: by Escape
 * @returns {(() => void) | undefined} closes it and gives the focus back to what had it
 */
export function showUntilGone(dialog, close) {
  if (!dialog) return undefined
  const before = document.activeElement
  // Escape closes at once and tells later: a key in between would open what is still thought to be open. So the browser is
  // asked to leave the closing to us; where it does not, `close` tells.
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault()
    close()
  }
  dialog.addEventListener('cancel', cancel)
  dialog.addEventListener('close', close)
  dialog.showModal()
  return () => {
    dialog.removeEventListener('cancel', cancel)
    // The event comes late; by then another dialog may be open.
    dialog.removeEventListener('close', close)
    dialog.close()
    if (before instanceof HTMLElement && before.isConnected) before.focus()
  }
}
