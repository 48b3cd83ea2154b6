// Counts over time: from the gateway's history to what the chart, the tiles and the table draw, and how a live count gets
// into it. Pure.
import { outcomes, reasonsOf } from '../words/reasons.js'

/** @typedef {import('./wire.ts').CountHistoryView} CountHistoryView */

/** Rows of the table that stands in for the chart. */
const tableRows = 12

/**
 * Counts of some reasons together, a number for each step.
 * @param {CountHistoryView} history
 * @param {string[]} reasons
 */
export function countsOf(history, reasons) {
  const counts = Array.from({ length: stepsOf(history) }, () => 0)
  for (const reason of reasons) {
    for (const [i, count] of (history.reasons[reason] ?? []).entries()) counts[i] = (counts[i] ?? 0) + count
  }
  return counts
}

/** @param {readonly number[]} counts */
export function sum(counts) {
  return counts.reduce((all, count) => all + count, 0)
}

/**
 * When each step begins, in seconds, as charts want it.
 * @param {CountHistoryView} history
 */
export function timesOf(history) {
  const from = Date.parse(history.from) / 1000
  return Array.from({ length: stepsOf(history) }, (_, i) => from + i * history.step_seconds)
}

/**
 * The history with a live count in it. The window moves on: what falls out of it at its beginning is gone.
 * @param {CountHistoryView} history
 * @param {import('./wire.ts').CountDelta} usage
 * @returns {CountHistoryView}
 */
export function withAudit(history, usage) {
  const steps = stepsOf(history)
  const stepMs = history.step_seconds * 1000
  const at = Math.floor((Date.parse(usage.at) - Date.parse(history.from)) / stepMs)
  if (steps === 0 || Number.isNaN(at) || at < 0) return history
  const moved = Math.max(0, at - steps + 1)
  const names = new Set([...Object.keys(history.reasons), ...Object.keys(usage.counts)])
  const reasons = Object.fromEntries([...names].map((name) => [name, movedCounts(history, name, moved)]))
  for (const [name, count] of Object.entries(usage.counts)) {
    const counts = reasons[name] ?? []
    counts[at - moved] = (counts[at - moved] ?? 0) + count
  }
  return { ...history, from: new Date(Date.parse(history.from) + moved * stepMs).toISOString(), reasons }
}

/**
 * The same counts in few rows, for people who read rather than look: newest first.
 * @param {CountHistoryView} history
 */
export function rowsOf(history) {
  const times = timesOf(history)
  const columns = outcomes.map(({ key }) => countsOf(history, reasonsOf(key)))
  const width = Math.max(1, Math.ceil(times.length / tableRows))
  const rows = []
  for (let start = 0; start < times.length; start += width) {
    rows.push({
      atMs: (times[start] ?? 0) * 1000,
      counts: columns.map((column) => sum(column.slice(start, start + width))),
    })
  }
  return rows.reverse()
}

/**
 * The chart in one sentence.
 * @param {CountHistoryView} history
 * @param {string} window
 */
export function sentenceOf(history, window) {
  const parts = outcomes.map(({ key, title }) => `${sum(countsOf(history, reasonsOf(key)))} ${title.toLowerCase()}`)
  return `Refreshes in the last ${window}: ${parts.join(', ')}.`
}

const shortCounts = new Intl.NumberFormat(undefined, { notation: 'compact' })

/**
 * A count for the axis of the chart, which has room for five characters.
 * @param {number} count
 */
export function shortCount(count) {
  return shortCounts.format(count)
}

/** @param {CountHistoryView} history */
function stepsOf(history) {
  return Math.max(0, ...Object.values(history.reasons).map((counts) => counts.length))
}

/**
 * @param {CountHistoryView} history
 * @param {string} name
 * @param {number} moved
 */
function movedCounts(history, name, moved) {
  const steps = stepsOf(history)
  const old = history.reasons[name] ?? []
  return Array.from({ length: steps }, (_, i) => old[i + moved] ?? 0)
}
