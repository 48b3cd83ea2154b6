// Where a count of the usage history lies: by minutes in one table an hour, by ten minutes in one table a day. Used by both
// adapters, so that a window is read from two tables and no more. Pure.
import { type UsageHistory, type UsageWindow, windows } from './event-store.ts'

const tableMs = { hour: 3_600_000, day: 86_400_000 } as const
const prefix = { hour: 'm', day: 'd' } as const

interface Cell {
  table: string
  field: string
}

/** The two places where a count of a reason at a time belongs. @param at ms */
export function cellsOf(at: number, reason: string): Record<UsageWindow, Cell> {
  return { hour: cellOf('hour', at, reason), day: cellOf('day', at, reason) }
}

function cellOf(window: UsageWindow, at: number, reason: string): Cell {
  const step = Math.floor(at / 1000 / windows[window].stepSeconds)
  return { table: `${prefix[window]}${Math.floor(at / tableMs[window])}`, field: `${step}:${reason}` }
}

/** The tables that hold a window which ends now. */
export function cellsOfWindow(window: UsageWindow, now: number): string[] {
  const last = Math.floor(now / tableMs[window])
  return [`${prefix[window]}${last - 1}`, `${prefix[window]}${last}`]
}

/** A history without any count. @param now ms */
export function emptyHistory(window: UsageWindow, now: number): UsageHistory {
  const { stepSeconds, steps } = windows[window]
  const lastStep = Math.floor(now / 1000 / stepSeconds)
  return { from: (lastStep - steps + 1) * stepSeconds * 1000, reasons: {} }
}

/** Adds a count where its field says; what lies outside of the window is left out. */
export function addCount(history: UsageHistory, window: UsageWindow, field: string, count: number): void {
  const [, step, reason] = /^(\d+):(\w+)$/.exec(field) ?? []
  if (step === undefined || reason === undefined) return
  const { stepSeconds, steps } = windows[window]
  const at = Number(step) - history.from / 1000 / stepSeconds
  if (at < 0 || at >= steps) return
  const counts = history.reasons[reason] ?? new Array<number>(steps).fill(0)
  counts[at] = (counts[at] ?? 0) + count
  history.reasons[reason] = counts
}
