// Times and lengths of time in words. Local time is what an operator thinks in; UTC stands beside it in the title, since logs
// have it. Pure, but for the clock that `Moment` reads.

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const aheadMs = 10_000

const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})

/**
 * A moment in local time: the time today, else the day as well.
 * @param {number} atMs
 * @param {number} nowMs
 */
export function localTime(atMs, nowMs) {
  const isToday = new Date(atMs).toDateString() === new Date(nowMs).toDateString()
  return (isToday ? clockTime : dayAndTime).format(atMs)
}

/**
 * A moment in UTC, to the second: `2026-11-23 12:00:00 UTC`.
 * @param {number} atMs
 */
export function utcTime(atMs) {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/**
 * How long ago a moment was, or how far it is ahead, in one unit.
 * @param {number} atMs
 * @param {number} nowMs
 */
export function distance(atMs, nowMs) {
  const words = length(Math.abs(nowMs - atMs))
  // What happened since the clock's last tick, or by a clock that is a little ahead, is not in the future.
  if (words === 'a moment' || (atMs > nowMs && atMs - nowMs < aheadMs)) return 'just now'
  return atMs > nowMs ? `in ${words}` : `${words} ago`
}

/**
 * A length of time in one unit: `3 min`, `12 days`.
 * @param {number} ms
 */
export function length(ms) {
  if (ms < 1000) return 'a moment'
  if (ms < minuteMs) return `${Math.floor(ms / 1000)} s`
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`
  if (ms < 2 * dayMs) return `${Math.floor(ms / hourMs)} h`
  return `${Math.floor(ms / dayMs)} days`
}

/**
 * A short length of time with its unit: `340 ms`, `2.1 s`, `4 min`.
 * @param {number} ms
 */
export function preciseLength(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < minuteMs ? `${(ms / 1000).toFixed(1)} s` : length(ms)
}
