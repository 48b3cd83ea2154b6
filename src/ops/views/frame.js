// The frame around every view: the way past the navigation, the navigation, whether the page is live, the theme, who is
// signed in, and the one live region. Going to another view moves the focus to its heading.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { announce, announcement, mention } from '../announce.js'
import { html } from '../html.js'
import { Icon } from '../parts/icon.js'
import { linkTo } from '../route.js'
import { followKeys, shortcutsShown } from '../shortcuts.js'
import { live, onEvent } from '../state/live.js'
import { useObservable } from '../state/observable.js'
import { passwordAsked, signOut } from '../state/operator.js'
import { theme, toggleTheme } from '../state/theme.js'
import { LiveBanner, LivePill } from './live-state.js'
import { PasswordDialog } from './password.js'
import { ShortcutsDialog } from './shortcuts.js'

/** The views in the navigation, by their first step in the address. */
export const views = [
  { step: 'now', title: 'Now' },
  { step: 'signals', title: 'Signals' },
  { step: 'sessions', title: 'Sessions' },
  { step: 'events', title: 'Events' },
  { step: 'system', title: 'System' },
]

/** @param {{ step: string, title: string, place: string, sub: string, children?: unknown }} props `place`: changes with the view */
export function Frame({ step, title, place, sub, children }) {
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null))
  const isFirst = useRef(true)
  const isShown = useObservable(shortcutsShown)
  const isAsked = useObservable(passwordAsked) !== undefined
  useEffect(followKeys, [])
  useEffect(() => onEvent(({ reason }) => reason === 'reused' && mention('A refresh token was reused.')), [])
  // Before the next key can be pressed.
  useLayoutEffect(() => {
    document.title = `${title} · Cardea`
    if (!isFirst.current) heading.current?.focus()
    isFirst.current = false
  }, [place])
  return html`<button type="button" class="skip" onClick=${() => heading.current?.focus()}>Skip to the content</button>
    <header class="top">
      <a class="brand" href=${linkTo(['now'])}><img src="mark.svg" alt="" width="24" height="24" />Cardea</a>
      <${Navigation} step=${step} />
      <${Tools} sub=${sub} />
    </header>
    <${LiveBanner} />
    <main class="content" id="content">
      <h1 tabindex="-1" ref=${heading}>${title}</h1>
      ${children}
    </main>
    ${isShown && html`<${ShortcutsDialog} />`}
    ${isAsked && html`<${PasswordDialog} sub=${sub} />`}
    <${Announcer} />`
}

/** @param {{ step: string }} props */
function Navigation({ step }) {
  return html`<nav class="views" aria-label="Views">
    ${views.map(
      (view) =>
        html`<a key=${view.step} href=${linkTo([view.step])} aria-current=${view.step === step ? 'page' : undefined}>${view.title}</a>`,
    )}
  </nav>`
}

/** @param {{ sub: string }} props */
function Tools({ sub }) {
  const drawn = useObservable(theme)
  const other = drawn === 'dark' ? 'light' : 'dark'
  return html`<div class="tools">
    <${LivePill} />
    <button type="button" class="icon-button" onClick=${() => shortcutsShown.set(true)} aria-label="Keys" title="Keys (?)">
      <${Icon} name="keys" />
    </button>
    <button type="button" class="icon-button" onClick=${toggleTheme} aria-label=${`Change to ${other}`} title=${`Change to ${other} (t)`}>
      <${Icon} name=${drawn === 'dark' ? 'moon' : 'sun'} />
    </button>
    <span class="who" title="Signed in">${sub}</span>
    <button type="button" class="button" onClick=${signOut}>Sign out</button>
  </div>`
}

function Announcer() {
  const sentence = useObservable(announcement)
  useEffect(announceLive, [])
  return html`<div class="unseen" role="status" aria-live="polite">${sentence}</div>`
}

// Once when the page is not live any more and once when it is again, however often it attempts in between.
function announceLive() {
  let isSaid = false
  return live.subscribe(({ state, because }) => {
    if (state === 'waiting' && !isSaid) announce(`Not live: ${because}`)
    else if (state === 'live' && isSaid) announce('Live again.')
    if (state === 'waiting' || state === 'live') isSaid = state === 'waiting'
  })
}
