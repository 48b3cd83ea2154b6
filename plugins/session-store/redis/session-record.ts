// A session as the Redis scripts keep it, and back. The state is written by the scripts alone (layout in sessions/session.lua);
// the details, which never change, are written here and read here.
import { isIPv4 } from 'node:net'
import type { RecordSeals } from '../../keys/record-seal.ts'
import type { EndReason, NewSession, Session, SessionRevocation } from '../port/store.ts'

const stateBytes = 35
// One byte less than where a listpack entry costs a longer head; four at most (sessions/session.lua).
const pieceBytes = 63
const maxPieces = 4
const subBytes = 255
const textBytes = 0x7eff
const listLength = 254
const ipv4Mark = 0xff
const longRevision = 0xff
// How the methods begin: how many they are, or this for those of nearly every login; and, in the same byte, whether the session
// lives in a cookie.
const passwordOnly = 0x7f
const inCookieBit = 0x80

/**
 * How the details of all sessions of a subject begin, and of no other subject's.
 * @throws RangeError when the subject is longer than 255 bytes
 */
export function subjectPrefix(sub: string): Buffer {
  const bytes = Buffer.from(sub)
  if (bytes.length > subBytes) throw new RangeError(`a subject may have ${subBytes} bytes, not ${bytes.length}`)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

/** Bytes of a session's seal, the last ones of its details. */
const sealBytes = 8

/**
 * What of a session never changes, in pieces that fit the compact encoding. Very long roles or scope make the last piece long:
 * they cost more, and work.
 * @throws RangeError when a text is longer than 32 KiB or there are more than 254 roles
 */
export function writeDetails(session: NewSession, seals: RecordSeals): Buffer[] {
  const { sid, sub, userRevision, ip, scope, device, roles, amr, inCookie } = session
  const rest = [address(ip), text(scope), text(device), list(roles), methods(amr, inCookie === true)]
  const bare = Buffer.concat([subjectPrefix(sub), revision(userRevision), ...rest])
  const sealed = sealedOf(bare, session.idleTtlSeconds, session.absoluteTtlSeconds)
  const details = Buffer.concat([bare, seals.make('session', sid, sealed, sealBytes)])
  const pieces = Math.min(maxPieces, Math.ceil(details.length / pieceBytes))
  return Array.from({ length: pieces }, (_, i) =>
    details.subarray(i * pieceBytes, i === maxPieces - 1 ? undefined : (i + 1) * pieceBytes),
  )
}

/**
 * Reads a live session that somebody is given something by.
 * @returns undefined when no gateway wrote it: its details, its subject's rights among them, or how long it may live
 */
export function readSealed(sid: string, record: Buffer, seals: RecordSeals): Session | undefined {
  if (record.length < stateBytes + sealBytes) return undefined
  const [bare, seal] = [record.subarray(stateBytes, -sealBytes), record.subarray(-sealBytes)]
  // What the script dates it dates by one time: absolute expiry less the second of the login is the time-to-live.
  const absoluteTtlSeconds = record.readUInt32BE(12) - Math.floor(record.readUIntBE(6, 6) / 1000)
  const sealed = sealedOf(bare, record.readUInt32BE(16), absoluteTtlSeconds)
  return seals.isRight('session', sid, sealed, seal, sealBytes) ? readRecord(sid, record) : undefined
}

function sealedOf(bare: Buffer, idleTtlSeconds: number, absoluteTtlSeconds: number): Buffer {
  const times = Buffer.alloc(16)
  times.writeDoubleBE(idleTtlSeconds, 0)
  times.writeDoubleBE(absoluteTtlSeconds, 8)
  return Buffer.concat([times, bare])
}

/** Reads a live session, as it stands there. */
export function readRecord(sid: string, record: Buffer): Session {
  const generation = record.readUInt32BE(2)
  const createdAt = record.readUIntBE(6, 6)
  const newest = createdAt + record.readUIntBE(20, 5)
  const rotatedAt = [newest]
  if (generation > 1) rotatedAt.push(newest - record.readUInt32BE(25))
  if (generation > 2) rotatedAt.push(newest - record.readUInt32BE(29))
  return {
    sid,
    generation,
    provenGeneration: generation - record.readUInt16BE(33),
    createdAt,
    absoluteExpirySeconds: record.readUInt32BE(12),
    idleTtlSeconds: record.readUInt32BE(16),
    rotatedAt,
    ...readDetails(record.subarray(stateBytes)),
  }
}

/** What is left of a session that ended: the whole record, when and why. */
export interface Tombstone extends Session {
  revokedAt: number
  endReason: EndReason
}

/** Reads a session that ended. */
export function readTombstone(sid: string, tombstone: Buffer): Tombstone {
  const reasonEnd = 7 + tombstone.readUInt8(6)
  return {
    ...readRecord(sid, tombstone.subarray(reasonEnd)),
    revokedAt: tombstone.readUIntBE(0, 6),
    // Boundary: the scripts write what `end` and `endAll` were given, or the words `revoked_by_reuse` and `session_limit`.
    endReason: tombstone.toString('latin1', 7, reasonEnd) as EndReason,
  }
}

/** The entry of the revocation log that says so. */
export function toRevocation({ sid, sub, revokedAt, endReason }: Tombstone): SessionRevocation {
  return { kind: 'session', sid, sub, at: revokedAt, reason: endReason }
}

type Details = Pick<Session, 'sub' | 'userRevision' | 'ip' | 'scope' | 'device' | 'roles' | 'amr' | 'inCookie'>

// In the order of writeDetails.
function readDetails(details: Buffer): Details {
  const reader = new DetailsReader(details)
  const sub = reader.bytes(reader.byte()).toString()
  const shortRevision = reader.byte()
  const userRevision = shortRevision === longRevision ? reader.bytes(4).readUInt32BE(0) : shortRevision
  const addressHead = reader.byte()
  const ip = addressHead === ipv4Mark ? reader.bytes(4).join('.') : reader.text(addressHead)
  const scope = reader.text()
  const device = reader.text()
  const roles = reader.list()
  const methodsHead = reader.byte()
  const methodCount = methodsHead & ~inCookieBit
  const amr = methodCount === passwordOnly ? ['pwd'] : reader.list(methodCount)
  const granted = { sub, userRevision, ip, scope, device, roles, amr }
  return (methodsHead & inCookieBit) === 0 ? granted : { ...granted, inCookie: true }
}

class DetailsReader {
  readonly #details: Buffer
  #at = 0

  constructor(details: Buffer) {
    this.#details = details
  }

  byte(): number {
    this.#at += 1
    return this.#details.readUInt8(this.#at - 1)
  }

  bytes(length: number): Buffer {
    const from = this.#at
    this.#at += length
    return this.#details.subarray(from, this.#at)
  }

  text(head = this.byte()): string {
    return this.bytes(head < 0x80 ? head : (head - 0x80) * 256 + this.byte()).toString()
  }

  list(length = this.byte()): string[] {
    const texts: string[] = []
    for (let i = 0; i < length; i += 1) texts.push(this.text())
    return texts
  }
}

// One byte for as good as every user; it must be read without ambiguity by the scripts (sessions/session.lua).
function revision(value: number): Buffer {
  if (value < longRevision) return Buffer.of(value)
  const bytes = Buffer.of(longRevision, 0, 0, 0, 0)
  bytes.writeUInt32BE(value, 1)
  return bytes
}

// Up to 127 bytes: one byte of length; beyond it two, the first from 0x80 to 0xfe.
function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  if (bytes.length > textBytes) throw new RangeError(`a text of a session may have ${textBytes} bytes`)
  const length = bytes.length < 0x80 ? [bytes.length] : [0x80 + (bytes.length >> 8), bytes.length & 0xff]
  return Buffer.concat([Buffer.from(length), bytes])
}

// Four bytes instead of up to fifteen; node's isIPv4 knows one writing of an address only, so it comes back as it was.
function address(ip: string): Buffer {
  return isIPv4(ip) ? Buffer.from([ipv4Mark, ...ip.split('.').map(Number)]) : text(ip)
}

function list(values: readonly string[]): Buffer {
  if (values.length > listLength) throw new RangeError(`a session may have ${listLength} roles, not ${values.length}`)
  return Buffer.concat([Buffer.of(values.length), ...values.map(text)])
}

function methods(amr: readonly string[], inCookie: boolean): Buffer {
  const mark = inCookie ? inCookieBit : 0
  if (isPasswordOnly(amr)) return Buffer.of(mark | passwordOnly)
  if (amr.length >= passwordOnly)
    throw new RangeError(`a login may have ${passwordOnly - 1} methods, not ${amr.length}`)
  return Buffer.concat([Buffer.of(mark | amr.length), ...amr.map(text)])
}

function isPasswordOnly(amr: readonly string[]): boolean {
  return amr.length === 1 && amr[0] === 'pwd'
}
