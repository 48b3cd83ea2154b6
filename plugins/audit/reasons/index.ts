// The table of reasons: everything that an event can say has happened, a row each. The log, the metrics, timelines, the
// operators' page, the ends of sessions and docs/reference.md take columns of it. No other list of reasons is written by hand.
import { operation } from './operation.ts'
import { refreshes } from './refreshes.ts'
import { requests } from './requests.ts'
import type { ReasonRow } from './row.ts'
import { sessions } from './sessions.ts'

/** Every reason. The list is closed: metrics and the operators' page count by it. */
export const reasonTable = { ...operation, ...refreshes, ...requests, ...sessions }

type Table = typeof reasonTable

export type Reason = keyof Table

/** Why a session ended. Kept in its tombstone until the session's absolute expiry. */
export type EndReason = { [R in Reason]: Table[R] extends { ends: 'revoked' } ? R : never }[Reason]

// A map, so that a word such as `constructor` has no row.
const rows: ReadonlyMap<string, ReasonRow> = new Map(Object.entries(reasonTable).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The words of the list, in alphabetical order. */
// Boundary: keys of the table itself.
export const reasons = [...rows.keys()] as readonly Reason[]

/** @returns the row of a reason; undefined for one that another version wrote */
export function rowOf(reason: string): ReasonRow | undefined {
  return rows.get(reason)
}

/** Those reasons whose row is as asked, in alphabetical order. */
export function reasonsWhere(isWanted: (row: ReasonRow) => boolean): Reason[] {
  return reasons.filter((reason) => isWanted(reasonTable[reason]))
}

/** The reasons that a tombstone can have. */
// Boundary: by the very column that the type goes by.
export const endReasons = reasonsWhere(({ ends }) => ends === 'revoked') as EndReason[]

/** The sentence of a reason, also of one that another version wrote. */
export function sentenceOf(reason: string): string {
  return rows.get(reason)?.sentence ?? `${reason}.`
}

/** Whether a refresh with this outcome gives a token. */
export function givesToken({ refresh }: ReasonRow): boolean {
  return refresh === 'rotated' || refresh === 'retried'
}
