// The figures that a simulation counts, and the table it prints.
import { type ThiefKind, thiefKinds } from './population.ts'

/** Why an innocent client was taken for a thief. */
export const violations = {
  retry: 'a retry after a lost response',
  tab: 'a tab whose request came late',
  olderResponse: 'a browser that kept an older response',
} as const
export type Violation = keyof typeof violations

export const theftNames: Record<ThiefKind, string> = {
  near: 'replayed within seconds of the client',
  later: 'replayed hours later',
  shadow: 'replayed within seconds, each time',
  first: 'refreshed minutes before, each time',
  racing: 'refreshed seconds before, each time',
}

/** What became of the thefts of one kind. */
export interface TheftFigures {
  /** The first replay got nothing. */
  refused: number
  /** Got something at first; then the session was ended for reuse. How long that took, ms. */
  exposedAfterMs: number[]
  missed: number
}

export interface Figures {
  refreshes: number
  lostResponses: number
  races: number
  idleLogouts: number
  honestLogouts: Record<Violation, number>
  thefts: Record<ThiefKind, TheftFigures>
}

/** Nothing counted yet. */
export function newFigures(): Figures {
  const theft = (): TheftFigures => ({ refused: 0, exposedAfterMs: [], missed: 0 })
  return {
    ...{ refreshes: 0, lostResponses: 0, races: 0, idleLogouts: 0 },
    honestLogouts: { retry: 0, tab: 0, olderResponse: 0 },
    thefts: { near: theft(), later: theft(), shadow: theft(), first: theft(), racing: theft() },
  }
}

/** Innocent clients that were taken for a thief and had to sign in. */
export function honestLogouts({ honestLogouts: byMistake }: Figures): number {
  return Object.values(byMistake).reduce((sum, count) => sum + count, 0)
}

/** Figures by the name of the design. */
export type Columns<F> = Readonly<Record<string, F>>

/** The table, a column for each design; measured against `strict` where that is one of them. */
export function tableOf(columns: Columns<Figures>): string {
  const all = Object.values(columns)
  const row = (title: string, cell: (figures: Figures) => string | number) => [title, ...all.map(cell).map(String)]
  const strict = columns['strict']
  const rows = [
    ['', ...Object.keys(columns)],
    row('logins because of idleness', ({ idleLogouts }) => idleLogouts),
    row('innocents taken for a thief', honestLogouts),
    ...keysOf(violations).map((violation) =>
      row(`  ${violations[violation]}`, (figures) => figures.honestLogouts[violation]),
    ),
    row('  of a million refreshes', (one) => Math.round((honestLogouts(one) * 1_000_000) / Math.max(one.refreshes, 1))),
    ...(strict ? [row('  avoided against strict', (one) => honestLogouts(strict) - honestLogouts(one))] : []),
    row(
      'thefts refused at the first replay',
      sumOf(({ refused }) => refused),
    ),
    row(
      'thefts exposed later',
      sumOf(({ exposedAfterMs }) => exposedAfterMs.length),
    ),
    row('  after, in the median', medianExposure),
    row(
      'thefts never exposed',
      sumOf(({ missed }) => missed),
    ),
    ...thiefKinds.map((kind) => row(`  ${theftNames[kind]}`, ({ thefts }) => thefts[kind].missed)),
  ]
  return aligned(rows)
}

/** Lines of equal width: the first column to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  const pad = (text: string, at: number) => (at === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[at] ?? 0))
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

function sumOf(count: (figures: TheftFigures) => number): (figures: Figures) => number {
  return ({ thefts }) => Object.values(thefts).reduce((sum, theft) => sum + count(theft), 0)
}

function medianExposure({ thefts }: Figures): string {
  const times = Object.values(thefts).flatMap(({ exposedAfterMs }) => exposedAfterMs)
  const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]
  return median === undefined ? '-' : durationText(median)
}

function durationText(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}

// Boundary: Object.keys widens the keys of a literal to string.
const keysOf = <T extends object>(object: T) => Object.keys(object) as (keyof T)[]
