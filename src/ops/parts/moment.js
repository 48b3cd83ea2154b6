// A moment in time: local, with UTC in its title.

import { html } from '../html.js'
import { clock } from '../state/clock.js'
import { useObservable } from '../state/observable.js'
import { distance, localTime, utcTime } from '../words/moments.js'

/**
 * @param {{ at: string | number, form?: 'time' | 'distance' }} props `at`: RFC 3339 or ms
 */
export function Moment({ at, form = 'time' }) {
  const nowMs = useObservable(clock)
  const atMs = typeof at === 'number' ? at : Date.parse(at)
  if (Number.isNaN(atMs)) return html`<span>–</span>`
  const [local, far] = [localTime(atMs, nowMs), distance(atMs, nowMs)]
  const [shown, other] = form === 'time' ? [local, far] : [far, local]
  return html`<time datetime=${new Date(atMs).toISOString()} title=${`${utcTime(atMs)} · ${other}`}>${shown}</time>`
}
