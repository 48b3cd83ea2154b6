// The refresh token (docs/architecture.md#refresh-token): signed, of fixed length, a pure function of key, sid, generation and
// times. A forged or malformed token is told apart here, before any store call.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../keys/secrets.ts'
import type { Session } from './port/store.ts'
import { newestRotation } from './rotation.ts'

// version 1 | key id 1 | sid 24 | generation 4 | issued-at 4 | absolute-expiry 4 | HMAC-SHA-256 32
const version = 1
const macBytes = 32
const signedBytes = 38
const tokenBytes = signedBytes + macBytes
const subjectTagBytes = 6
const sidBytes = 24

/** Length of every refresh token in characters: 70 bytes in base64url. */
export const refreshTokenLength = Math.ceil((tokenBytes * 8) / 6)

/** What a refresh token says, its MAC checked. */
export interface RefreshTokenClaims {
  sid: string
  generation: number
  issuedAtSeconds: number
  absoluteExpirySeconds: number
}

/**
 * The refresh token of a session's newest generation: the same bytes each time for the same record and key.
 * @param secret the newest secret
 * @throws Error when the record does not fit a token: that would be a token of another session
 */
export function writeRefreshToken(session: Session, secret: Secret): string {
  const token = Buffer.alloc(tokenBytes)
  token.writeUInt8(version, 0)
  token.writeUInt8(secret.keyId, 1)
  token.write(session.sid, 2, sidBytes, 'base64url')
  // A sid that is cut or only half understood would name another session.
  if (token.toString('base64url', 2, 2 + sidBytes) !== session.sid) throw new Error(`'${session.sid}' is not a sid`)
  token.writeUInt32BE(session.generation, 26)
  token.writeUInt32BE(Math.floor(newestRotation(session) / 1000), 30)
  token.writeUInt32BE(session.absoluteExpirySeconds, 34)
  mac(token, secret).copy(token, signedBytes)
  return token.toString('base64url')
}

/**
 * Reads a refresh token: exact length, canonical base64url, a MAC by one of the secrets.
 * @returns its claims, or undefined for anything that this gateway did not write
 */
export function readRefreshToken(text: string, secrets: readonly Secret[]): RefreshTokenClaims | undefined {
  if (text.length !== refreshTokenLength) return undefined
  const token = Buffer.from(text, 'base64url')
  // Decoding is lenient; only the text that encodes to itself is the token (RFC 4648 section 3.5).
  if (token.length !== tokenBytes || token.toString('base64url') !== text) return undefined
  if (token.readUInt8(0) !== version || !isSignedByAny(token, secrets)) return undefined
  return {
    sid: token.toString('base64url', 2, 2 + sidBytes),
    generation: token.readUInt32BE(26),
    issuedAtSeconds: token.readUInt32BE(30),
    absoluteExpirySeconds: token.readUInt32BE(34),
  }
}

/**
 * A new session identifier: the subject's tag and 144 random bits.
 * @param subjectTagKey the store's own key for tags (>= 32 bytes), the same on every node
 */
export function newSid(sub: string, subjectTagKey: Buffer): string {
  return subjectTag(sub, subjectTagKey) + randomBytes(sidBytes - subjectTagBytes).toString('base64url')
}

/** The 8 characters every `sid` of a subject begins with: the hash tag that keeps a subject in one slot. */
export function subjectTag(sub: string, subjectTagKey: Buffer): string {
  return createHmac('sha256', subjectTagKey).update(sub).digest().subarray(0, subjectTagBytes).toString('base64url')
}

function isSignedByAny(token: Buffer, secrets: readonly Secret[]): boolean {
  const keyId = token.readUInt8(1)
  const presented = token.subarray(signedBytes)
  return secrets.some((secret) => secret.keyId === keyId && timingSafeEqual(mac(token, secret), presented))
}

function mac(token: Buffer, secret: Secret): Buffer {
  return createHmac('sha256', secret.refreshTokenKey).update(token.subarray(0, signedBytes)).digest()
}
