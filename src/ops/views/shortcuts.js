// The list of keys, and the switch that turns them off.
import { useLayoutEffect, useRef } from 'preact/hooks'
import { html } from '../html.js'
import { showUntilGone } from '../parts/confirm.js'
import { setShortcuts, shortcutsOn, shortcutsShown, viewKeys } from '../shortcuts.js'
import { useObservable } from '../state/observable.js'

/** @type {[keys: string[], meaning: string][]} */
const keys = [
  ...Object.entries(viewKeys).map(([key, view]) => /** @type {[string[], string]} */ ([['g', key], `go to ${view}`])),
  [['/'], 'search or filter'],
  [['t'], 'light or dark'],
  [['?'], 'this list'],
  [['Esc'], 'close a dialog'],
]

/** The dialog with the list. */
export function ShortcutsDialog() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null))
  const isOn = useObservable(shortcutsOn)
  useLayoutEffect(() => showUntilGone(dialog.current, close), [])
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby="shortcuts-title">
    <h2 id="shortcuts-title">Keys</h2>
    <dl class="keys">
      ${keys.map(
        ([pressed, meaning]) => html`<div key=${meaning}>
          <dt>${pressed.map((key) => html`<kbd key=${key}>${key}</kbd> `)}</dt>
          <dd>${meaning}</dd>
        </div>`,
      )}
    </dl>
    <label class="switch"
      ><input type="checkbox" checked=${isOn} onChange=${() => setShortcuts(!isOn)} /> Single keys do something</label
    >
    <div class="dialog-buttons"><button type="button" class="button button-main" onClick=${close}>Close</button></div>
  </dialog>`
}

function close() {
  shortcutsShown.set(false)
}
