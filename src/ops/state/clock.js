// The time of now, as something that components can watch: one timer for every "3 min ago" on the page. It follows the
// gateway's clock, since what it is compared with was written there; an operator's own clock may be wrong.
import { observable } from './observable.js'

const tickMs = 5000

/** Below this the two clocks are taken for one: the gateway tells whole seconds only. In ms. */
const toleranceMs = 3000

let offsetMs = 0

/** ms, of the gateway. */
export const clock = observable(Date.now())

/** Begins to tick. */
export function startClock() {
  setInterval(tick, tickMs)
}

/**
 * Takes the gateway's time from a response.
 * @param {string | null} date the Date field (RFC 9110 section 6.6.1)
 */
export function followGatewayClock(date) {
  const differenceMs = date === null ? Number.NaN : Date.parse(date) - Date.now()
  if (Number.isNaN(differenceMs)) return
  const nextMs = Math.abs(differenceMs) > toleranceMs ? differenceMs : 0
  if (Math.abs(nextMs - offsetMs) <= toleranceMs) return
  offsetMs = nextMs
  tick()
}

function tick() {
  clock.set(Date.now() + offsetMs)
}
