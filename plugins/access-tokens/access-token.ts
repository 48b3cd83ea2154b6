// Issues and verifies access tokens (RFC 9068). Verifying is synchronous; a token seen before costs one look-up.
import { LruMap } from '../collections/lru-map.ts'
import type { Session } from '../session-store/port/store.ts'
import { endsAt } from '../session-store/rotation.ts'
import {
  type AccessClaims,
  readClaims,
  readOwner,
  refusedFromSeconds,
  type TokenError,
  type TokenOwner,
  takenFromSeconds,
} from './claims.ts'
import type { PublicJwk } from './key-material.ts'
import type { RotateOptions, SigningKey, SigningKeys } from './signing-keys.ts'
import { newTokenId } from './token-id.ts'
import { isInP256Range, readShape } from './token-shape.ts'

export interface AccessTokenOptions {
  /** Our URL as clients see it: `iss`. */
  issuer: string
  /** Audiences we take tokens for; the first is the default. */
  audiences: readonly string[]
  /** `client_id` of the tokens. */
  clientId: string
  /** How long a token is taken, less up to 5 % at random. */
  ttlSeconds: number
  /** Leeway for `exp` and `nbf`, 0 to 60. */
  clockToleranceSeconds: number
  /** Most verified tokens remembered at a time. */
  verifiedTokensMax: number
  /** Milliseconds. */
  clock: () => number
}

export interface IssueOptions {
  /** One of the configured audiences; the first of them when absent. */
  audience?: string
  /** A part of the session's scope; all of it when absent (RFC 6749 section 6). */
  scope?: string
}

export type Verified = { ok: true; claims: AccessClaims } | { ok: false; reason: TokenError }

interface CacheEntry {
  readonly result: Verified
  readonly key: SigningKey
  /** The leeway included, ms. */
  readonly takenFrom: number
  readonly refusedFrom: number
}

// RFC 8725 section 3.8 and RFC 7519 section 4.1.4: leeway "usually no more than a few minutes"; we allow one.
const clockToleranceLimitSeconds = 60

// Up to a twentieth of the life is taken off at random, so that clients that logged in together do not refresh together.
const jitterShare = 0.05

export class AccessTokens {
  /** Audiences we take tokens for; the first is the default. */
  readonly audiences: readonly string[]
  readonly defaultAudience: string
  readonly #keys: SigningKeys
  readonly #options: AccessTokenOptions
  // So that a token costs its cryptography once and not at each request. By the whole token: no two share an entry
  // (CVE-2026-35039). Refusals are never kept: anyone could fill it with them. It remembers only that signature and claims were
  // right; time, key and revocation are looked at on every request.
  readonly #verified: LruMap<CacheEntry>
  /** Which key signed the token that claims were read from. */
  readonly #keyOf = new WeakMap<AccessClaims, SigningKey>()
  /** Told apart from keys whose time was over: what those let in may go on. As many as administrators ever revoke. */
  readonly #revokedKids = new Set<string>()

  constructor(keys: SigningKeys, options: AccessTokenOptions) {
    const [defaultAudience] = options.audiences
    if (defaultAudience === undefined) throw new Error('Access tokens need at least one audience.')
    if (!(options.clockToleranceSeconds >= 0 && options.clockToleranceSeconds <= clockToleranceLimitSeconds)) {
      throw new Error(
        `The clock tolerance must be 0 to ${clockToleranceLimitSeconds} s, not ${options.clockToleranceSeconds}.`,
      )
    }
    this.audiences = options.audiences
    this.defaultAudience = defaultAudience
    this.#keys = keys
    this.#options = options
    this.#verified = new LruMap(options.verifiedTokensMax)
  }

  /**
   * Issues an access token for a session's newest generation (RFC 9068 section 2).
   * @returns the token, and how long it lives: never beyond the end of the session, absolute or idle
   * @throws Error when the audience is none of ours; StoreUnavailable when there is no key to sign with
   */
  issue(
    session: Session,
    { audience = this.defaultAudience, scope = session.scope }: IssueOptions = {},
  ): {
    token: string
    expiresInSeconds: number
  } {
    if (!this.audiences.includes(audience)) throw new Error(`${audience} is not an audience of this gateway.`)
    const iat = Math.floor(this.#options.clock() / 1000)
    const exp = Math.max(iat, Math.min(iat + this.#lifeSeconds(), Math.floor(endsAt(session) / 1000)))
    const claims: AccessClaims = {
      iss: this.#options.issuer,
      aud: audience,
      sub: session.sub,
      client_id: this.#options.clientId,
      iat,
      exp,
      jti: newTokenId(),
      sid: session.sid,
      gen: session.generation,
      scope,
      roles: session.roles,
      auth_time: Math.floor(session.createdAt / 1000),
    }
    return { token: this.#keys.current().signer.sign(claims), expiresInSeconds: exp - iat }
  }

  /**
   * Verifies an access token: its form, its key, its signature, its claims. Whether its session was revoked is not asked
   * here.
   * @param token as presented
   * @returns the claims, or the reason for the event; the client hears `invalid_token` whatever it is
   */
  verify(token: string): Verified {
    const nowMs = this.#options.clock()
    const seen = this.#verified.get(token)
    if (seen === undefined) return this.#verifyAnew(token, nowMs)
    if (seen.key.isLive && nowMs < seen.refusedFrom && nowMs >= seen.takenFrom) return seen.result
    this.#verified.delete(token)
    return this.#verifyAnew(token, nowMs)
  }

  /**
   * Whose an access token is that this gateway signed, expired or not: beyond doubt, but no leave to do anything by it, other
   * than to end its session.
   * @param token as presented
   * @returns undefined for what this gateway did not sign, or by a key that is not held any more
   */
  ownerOf(token: string): TokenOwner | undefined {
    const read = this.#readSigned(token)
    return 'payload' in read ? readOwner(read.payload, this.#options) : undefined
  }

  /** Public keys for services that verify by themselves (RFC 7517); empty with HS256. */
  jwks(): { keys: PublicJwk[] } {
    return this.#keys.jwks()
  }

  /** Makes a new signing key; see `SigningKeys.rotate`. */
  rotate(options?: RotateOptions): Promise<{ kid: string; activeFrom: number }> {
    return this.#keys.rotate(options)
  }

  /** Takes a leaked key out of use; see `SigningKeys.revoke`. The other nodes must be told. */
  revokeKey(kid: string): Promise<boolean> {
    return this.#keys.revoke(kid)
  }

  /** Refuses what a key signed from now on: it was revoked, here or on another node. */
  dropKey(kid: string): void {
    this.#revokedKids.add(kid)
    this.#keys.drop(kid)
  }

  /** Whether the token of these claims, verified here before, was signed by a key that was revoked since. */
  isOfRevokedKey(claims: AccessClaims): boolean {
    return this.#revokedKids.size > 0 && this.#revokedKids.has(this.#keyOf.get(claims)?.kid ?? '')
  }

  /** Whether the password was checked so lately. @param maxAgeSeconds the most that may have passed since */
  isAuthenticatedWithin({ auth_time }: AccessClaims, maxAgeSeconds: number): boolean {
    return this.#options.clock() / 1000 - auth_time <= maxAgeSeconds + this.#options.clockToleranceSeconds
  }

  /** Whether the token of these claims would be refused now for its age. */
  isExpired(claims: AccessClaims): boolean {
    return this.#options.clock() >= refusedFromSeconds(claims, this.#options) * 1000
  }

  #verifyAnew(token: string, nowMs: number): Verified {
    const read = this.#readSigned(token)
    if (!('payload' in read)) return read
    const claims = readClaims(read.payload, { ...this.#options, nowSeconds: nowMs / 1000 })
    if (typeof claims === 'string') return refused[claims]
    return this.#remember(token, claims, read.key)
  }

  #readSigned(token: string): { payload: object; key: SigningKey } | Extract<Verified, { ok: false }> {
    const shape = readShape(token)
    if (!shape) return refused.token_malformed
    const key = this.#keys.find(shape.kid)
    if (!key) return refused.token_foreign
    // The key decides the algorithm, the token may only agree (RFC 8725 section 3.1).
    if (shape.alg !== key.alg || !isPossibleSignature(shape.signature, key)) return refused.token_forged
    const payload = verifySignature(token, key)
    return payload ? { payload, key } : refused.token_forged
  }

  #remember(token: string, claims: AccessClaims, key: SigningKey): Verified {
    const result: Verified = Object.freeze({ ok: true, claims })
    const takenFrom = takenFromSeconds(claims, this.#options) * 1000
    const refusedFrom = refusedFromSeconds(claims, this.#options) * 1000
    this.#verified.set(token, { result, key, takenFrom, refusedFrom })
    this.#keyOf.set(claims, key)
    return result
  }

  #lifeSeconds(): number {
    const { ttlSeconds } = this.#options
    return ttlSeconds - Math.floor(Math.random() * (ttlSeconds * jitterShare))
  }
}

const refused = {
  token_malformed: { ok: false, reason: 'token_malformed' },
  token_forged: { ok: false, reason: 'token_forged' },
  token_expired: { ok: false, reason: 'token_expired' },
  token_foreign: { ok: false, reason: 'token_foreign' },
} as const satisfies Record<TokenError, Verified>

// Exact length, so neither DER nor a doubled signature reaches the verifier.
function isPossibleSignature(signature: Buffer, { alg, signatureBytes }: SigningKey): boolean {
  return signature.length === signatureBytes && (alg !== 'ES256' || isInP256Range(signature))
}

function verifySignature(token: string, key: SigningKey): object | undefined {
  try {
    return key.signer.verify(token)
  } catch {
    return undefined
  }
}
