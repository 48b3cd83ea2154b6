// A session as the Redis scripts keep it, and back. Called by redis-sessions.ts. The state is written by the scripts alone
// (layout in lua/session.lua); the details, which never change, are written here and read here.
import { isIPv4 } from 'node:net'
import { rememberedRotations } from './rotation.ts'
import type { EndReason, NewSession, Session, SessionRevocation } from './store.ts'

const stateBytes = 35
// One byte less than where a listpack entry costs a longer head; four at most (lua/session.lua).
const pieceBytes = 63
const mostPieces = 4
const subBytes = 255
const textBytes = 0x7eff
const listLength = 254
const ipv4Mark = 0xff
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

/**
 * What of a session never changes, in pieces that fit the compact encoding. Very long roles or scope make the last piece long:
 * they cost more, and work.
 * @throws RangeError when a text is longer than 32 KiB or there are more than 254 roles
 */
export function writeDetails({ sub, ip, scope, device, roles, amr, inCookie }: NewSession): Buffer[] {
  const rest = [list(roles), methods(amr, inCookie === true)]
  const details = Buffer.concat([subjectPrefix(sub), address(ip), text(scope), text(device), ...rest])
  const pieces = Math.min(mostPieces, Math.ceil(details.length / pieceBytes))
  return Array.from({ length: pieces }, (_, i) =>
    details.subarray(i * pieceBytes, i === mostPieces - 1 ? undefined : (i + 1) * pieceBytes),
  )
}

/** Reads a live session. */
export function readRecord(sid: string, record: Buffer): Session {
  const head = record.readUInt16BE(0)
  const generation = record.readUInt32BE(2)
  const createdAt = record.readUIntBE(6, 6)
  const rotations = Math.min(generation, rememberedRotations)
  return {
    sid,
    generation,
    delivered: head % 2 === 1,
    createdAt,
    absoluteExpirySeconds: record.readUInt32BE(12),
    idleTtlSeconds: record.readUInt32BE(16),
    rotatedAt: Array.from({ length: rotations }, (_, i) => createdAt + record.readUIntBE(20 + 5 * i, 5)),
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

function readDetails(details: Buffer): Pick<Session, 'sub' | 'ip' | 'scope' | 'device' | 'roles' | 'amr' | 'inCookie'> {
  const reader = new DetailsReader(details)
  // Evaluated in this order, which is the one of writeDetails.
  return {
    sub: reader.subject(),
    ip: reader.address(),
    scope: reader.text(),
    device: reader.text(),
    roles: reader.list(),
    ...reader.methods(),
  }
}

class DetailsReader {
  readonly #details: Buffer
  #at = 0

  constructor(details: Buffer) {
    this.#details = details
  }

  subject(): string {
    return this.#bytes(this.#byte()).toString()
  }

  address(): string {
    const head = this.#byte()
    return head === ipv4Mark ? this.#bytes(4).join('.') : this.text(head)
  }

  text(head = this.#byte()): string {
    return this.#bytes(head < 0x80 ? head : (head - 0x80) * 256 + this.#byte()).toString()
  }

  list(length = this.#byte()): string[] {
    return Array.from({ length }, () => this.text())
  }

  methods(): Pick<Session, 'amr' | 'inCookie'> {
    const head = this.#byte()
    const count = head & ~inCookieBit
    const amr = count === passwordOnly ? ['pwd'] : this.list(count)
    return (head & inCookieBit) === 0 ? { amr } : { amr, inCookie: true }
  }

  #byte(): number {
    return this.#bytes(1).readUInt8(0)
  }

  #bytes(length: number): Buffer {
    const from = this.#at
    this.#at += length
    return this.#details.subarray(from, this.#at)
  }
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
