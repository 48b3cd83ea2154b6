// Entries of the revocation log as Redis answers them, and places in its Stream. Pure.
import { type RevocationFields, toPage } from '../port/revocation-entry.ts'
import type { LogPosition, RevocationPage } from '../port/store.ts'

/** The kind of entry that says how a user's record is: `name` is the subject, `sub` its fields in JSON. */
export const userKind = 'user'

export interface Entry extends RevocationFields {
  position: LogPosition
}

/** The entries of XREAD's reply: [[stream, [[position, [name, value, ...]], ...]]], or null when there is nothing. */
export function readEntries(reply: unknown): Entry[] {
  // Boundary: XREAD of one stream; publish in sessions/session.lua writes its entries.
  const streams = reply as [Buffer, [Buffer, Buffer[]][]][] | null
  return (streams?.[0]?.[1] ?? []).map(([position, flat]) => ({
    position: position.toString(),
    ...readEntry(flat),
  }))
}

// Names and values in turn, always in this order: a node that starts may read a million.
function readEntry([, kind, , name, , sub, , reason, , at]: readonly Buffer[]): RevocationFields {
  return { kind: String(kind), name: String(name), sub: String(sub), reason: String(reason), at: Number(String(at)) }
}

/** The page that entries make for readers of revocations, who never see those about users. */
export function pageOf(entries: readonly Entry[], otherwise: LogPosition, hasGap = false): RevocationPage {
  const revocations = entries.filter(({ kind }) => kind !== userKind)
  return toPage(revocations, entries.at(-1)?.position ?? otherwise, hasGap)
}

const beginning: LogPosition = '0-0'
const lastOfMillisecond = '18446744073709551615'

/** XREAD reads what is later than a position: the last possible one of the millisecond before. No entry ever has it. */
export function positionBefore(sinceMs: number): LogPosition {
  return sinceMs < 1 ? beginning : `${Math.ceil(sinceMs) - 1}-${lastOfMillisecond}`
}

/** Whether a position was made from a time, not given out with an entry. */
export function isFromTime(position: LogPosition): boolean {
  return position === beginning || position.endsWith(`-${lastOfMillisecond}`)
}

/**
 * A place in the stream and, behind `@`, how often the log had been started over when it was given out.
 * @throws Error for what is no position
 */
export function readPosition(position: LogPosition): { place: LogPosition; startsOver: number } {
  const [, place, startsOver = '0'] = /^(\d{1,15}-\d{1,20})(?:@(\d{1,9}))?$/.exec(position) ?? []
  if (place === undefined) throw new Error(`'${position}' is not a position of this revocation log`)
  return { place, startsOver: Number(startsOver) }
}

/** Whether `a` lies behind `b`. */
export function isLater(a: LogPosition, b: LogPosition): boolean {
  const [[aMs, aSequence], [bMs, bSequence]] = [parse(a), parse(b)]
  return aMs === bMs ? aSequence > bSequence : aMs > bMs
}

function parse(position: LogPosition): [bigint, bigint] {
  const [ms = '0', sequence = '0'] = position.split('-')
  return [BigInt(ms), BigInt(sequence)]
}
