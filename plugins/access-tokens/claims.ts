// The claims of an access token (RFC 9068 section 2.2, and `sid`, `gen`), and their strict reading. Types are checked, never
// converted: a claim of another type is a refusal.
import type { Reason } from '../audit/reasons/index.ts'

/** What a verified access token says. Frozen, and shared by all requests that present the same token. */
export interface AccessClaims {
  readonly iss: string
  readonly aud: string | readonly string[]
  readonly sub: string
  readonly client_id: string
  readonly iat: number
  readonly exp: number
  readonly jti: string
  /** The session, 32 base64url characters. */
  readonly sid: string
  /** The generation of the refresh token this came with, from 1. */
  readonly gen: number
  /** Space-separated (RFC 6749 section 3.3); may be empty. */
  readonly scope: string
  readonly roles: readonly string[]
  /** When the password was checked, s. */
  readonly auth_time: number
}

/**
 * Whom the tokens are for that the gateway's own administration takes. No service is this audience, and no cookie brings such a
 * token: what a service is handed, and what a page of a service can ask for, opens nothing there.
 */
export const adminAudience = 'urn:cardea:admin'

/** Why an access token is refused. */
/** Whose a token is. */
export type TokenOwner = Pick<AccessClaims, 'sid' | 'sub'>

export type TokenError = Extract<Reason, 'token_malformed' | 'token_forged' | 'token_expired' | 'token_foreign'>

/** What the claims must say to be for us, now. */
export interface Expected {
  issuer: string
  /** Any one of them. */
  audiences: readonly string[]
  nowSeconds: number
  /** Longest life of a token, as configured now. */
  ttlSeconds: number
  /** Leeway for `exp` and `nbf`. */
  clockToleranceSeconds: number
}

// Another node may have issued the token by a clock ahead of ours. `iat` grants nothing, so this costs nothing, while
// refusing would turn away tokens just issued.
const minIssuedAheadSeconds = 5

// Visible ASCII: it goes into header fields of upstream requests as it is.
const subjectPattern = /^[\x21-\x7e]{1,255}$/
const sidPattern = /^[A-Za-z0-9_-]{32}$/
const jtiPattern = /^[A-Za-z0-9_-]{22,64}$/

/**
 * Reads the claims of a token whose signature was right (RFC 9068 section 4, RFC 7519 section 4.1).
 * @param payload as parsed from the token
 * @returns the claims, frozen; or why the token is refused: of the wrong form, for someone else, or not valid now
 */
export function readClaims(payload: object, expected: Expected): AccessClaims | TokenError {
  // Boundary: JSON.parse made it; every member is checked before it is used.
  const raw = payload as Record<string, unknown>
  if (!isOurs(raw, expected)) return 'token_foreign'
  const claims = typedClaims(raw)
  if (!claims) return 'token_malformed'
  return isValidNow(claims, raw['nbf'], expected) ? claims : 'token_expired'
}

/**
 * Reads whose a token is whose signature was right, whatever the time.
 * @returns undefined for a token of another issuer, of another form, or for nobody here
 */
export function readOwner(payload: object, expected: Pick<Expected, 'issuer' | 'audiences'>): TokenOwner | undefined {
  // Boundary: as above.
  const raw = payload as Record<string, unknown>
  return isOurs(raw, expected) ? typedClaims(raw) : undefined
}

/**
 * Whether a token was issued for an audience.
 * @param aud the claim: one audience or several
 */
export function isFor(aud: AccessClaims['aud'], audience: string): boolean {
  return typeof aud === 'string' ? aud === audience : aud.includes(audience)
}

// An array that holds our issuer is not our issuer (CVE-2025-30144).
function isOurs(
  { iss, aud }: Record<string, unknown>,
  { issuer, audiences }: Pick<Expected, 'issuer' | 'audiences'>,
): boolean {
  if (iss !== issuer || !isAudience(aud)) return false
  return audiences.some((audience) => isFor(aud, audience))
}

function typedClaims(raw: Record<string, unknown>): AccessClaims | undefined {
  const { iss, aud, sub, client_id, iat, exp, nbf, jti, sid, gen, scope, roles, auth_time } = raw
  if (typeof iss !== 'string' || !isAudience(aud) || !isText(sub, subjectPattern)) return undefined
  if (!isText(client_id, subjectPattern) || !isText(jti, jtiPattern) || !isText(sid, sidPattern)) return undefined
  if (!isTime(iat) || !isTime(exp) || !isTime(auth_time) || !(nbf === undefined || isTime(nbf))) return undefined
  if (!isGeneration(gen) || typeof scope !== 'string' || !isTextList(roles)) return undefined
  Object.freeze(roles)
  Object.freeze(aud)
  return Object.freeze({ iss, aud, sub, client_id, iat, exp, jti, sid, gen, scope, roles, auth_time })
}

/**
 * From when on a token is taken: its `iat`, less what clocks of nodes may differ. Where this node's clock was ahead and came
 * back, a token of the meantime would else outlive the memory of who is revoked by as much.
 */
export function takenFromSeconds(
  { iat }: Pick<AccessClaims, 'iat'>,
  { clockToleranceSeconds }: Pick<Expected, 'clockToleranceSeconds'>,
): number {
  return iat - toleratedClockMs(clockToleranceSeconds) / 1000
}

/** How far ahead the clock of the node that issued a token may be, ms; beyond it the token is not taken yet. */
export function toleratedClockMs(clockToleranceSeconds: number): number {
  return Math.max(clockToleranceSeconds, minIssuedAheadSeconds) * 1000
}

/**
 * From when on a token is refused: its `exp` (RFC 7519 section 4.1.4: on or after it the token MUST NOT be accepted), or the
 * end of the life that is configured now, if that was shortened since. This node remembers who is revoked for one such life:
 * a token that outlived it would be taken again after its session ended.
 */
export function refusedFromSeconds(
  { iat, exp }: Pick<AccessClaims, 'iat' | 'exp'>,
  { ttlSeconds, clockToleranceSeconds }: Pick<Expected, 'ttlSeconds' | 'clockToleranceSeconds'>,
): number {
  return Math.min(exp, iat + ttlSeconds) + clockToleranceSeconds
}

function isValidNow(claims: AccessClaims, nbf: unknown, expected: Expected): boolean {
  const { nowSeconds, clockToleranceSeconds } = expected
  if (nowSeconds >= refusedFromSeconds(claims, expected)) return false
  if (typeof nbf === 'number' && nowSeconds < nbf - clockToleranceSeconds) return false
  return nowSeconds >= takenFromSeconds(claims, expected)
}

function isAudience(aud: unknown): aud is string | string[] {
  return typeof aud === 'string' || (isTextList(aud) && aud.length > 0)
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value)
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

// A number in JSON can be 1e400, which is Infinity here and would never expire.
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isGeneration(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1
}
