// The place of a count in the history: by minutes in one table an hour, by ten minutes in one table a day. Pure.
import { type CountHistory, type CountWindow, windows } from './events.ts'

const tableMs = { hour: 3_600_000, day: 86_400_000 } as const
const prefix = { hour: 'm', day: 'd' } as const

interface Cell {
  table: string
  field: string
}

/** The two places where a count of a reason at a time belongs. @param at ms */
export function cellsOf(at: number, reason: string): Record<CountWindow, Cell> {
  return { hour: cellOf('hour', at, reason), day: cellOf('day', at, reason) }
}

function cellOf(window: CountWindow, at: number, reason: string): Cell {
  const step = Math.floor(at / 1000 / windows[window].stepSeconds)
  return { table: `${prefix[window]}${Math.floor(at / tableMs[window])}`, field: `${step}:${reason}` }
}

/** The tables that hold a window which ends now. */
export function cellsOfWindow(window: CountWindow, now: number): string[] {
  const last = Math.floor(now / tableMs[window])
  return [`${prefix[window]}${last - 1}`, `${prefix[window]}${last}`]
}

/** A history without any count. @param now ms */
export function emptyHistory(window: CountWindow, now: number): CountHistory {
  const { stepSeconds, steps } = windows[window]
  const lastStep = Math.floor(now / 1000 / stepSeconds)
  return { from: (lastStep - steps + 1) * stepSeconds * 1000, reasons: {} }
}

/** Adds a count where its field says; what lies outside of the window is left out. */
export function addCount(history: CountHistory, window: CountWindow, field: string, count: number): void {
  const [, step, reason] = /^(\d+):(\w+)$/.exec(field) ?? []
  if (step === undefined || reason === undefined) return
  const { stepSeconds, steps } = windows[window]
  const at = Number(step) - history.from / 1000 / stepSeconds
  if (at < 0 || at >= steps) return
  const counts = history.reasons[reason] ?? new Array<number>(steps).fill(0)
  counts[at] = (counts[at] ?? 0) + count
  history.reasons[reason] = counts
}
