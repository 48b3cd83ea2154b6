// The sign whether the page is live: a small word at the top while it is, and a banner that cannot be missed while it is not,
// with when something was last heard and when the next attempt is.

import { useEffect, useState } from 'preact/hooks'
import { html } from '../html.js'
import { live, tryNow } from '../state/live.js'
import { useObservable } from '../state/observable.js'
import { localTime } from '../words/moments.js'

/** @type {Record<string, string>} */
const words = { live: 'Live', connecting: 'Connecting', waiting: 'Not live', off: 'Off' }

/** The word at the top. */
export function LivePill() {
  const { state } = useObservable(live)
  return html`<span class=${`pill pill-${state}`} data-live=${state}><span class="pill-dot" aria-hidden="true"></span>${words[state]}</span>`
}

/** The banner; nothing while the page is live. */
export function LiveBanner() {
  const { state, heardAtMs, retryAtMs, because } = useObservable(live)
  const isTrying = state === 'connecting' && heardAtMs !== undefined
  if (state !== 'waiting' && !isTrying) return null
  const heard =
    heardAtMs === undefined ? 'Nothing was heard yet.' : `Last heard at ${localTime(heardAtMs, Date.now())}.`
  return html`<section class="not-live" aria-label="Connection">
    <p>
      <strong>Not live.</strong> ${because} ${heard}
      <span aria-hidden="true"> ${isTrying ? 'Trying…' : html`<${Countdown} key=${retryAtMs} untilMs=${retryAtMs ?? 0} />`}</span>
    </p>
    <button type="button" class="button" disabled=${isTrying} onClick=${tryNow}>Try now</button>
  </section>`
}

/** @param {{ untilMs: number }} props */
function Countdown({ untilMs }) {
  const [nowMs, setNowMs] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return html`Trying again in ${Math.max(0, Math.ceil((untilMs - nowMs) / 1000))} s.`
}
