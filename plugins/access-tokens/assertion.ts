// An assertion, which a service can trust without trusting the network: a short-lived signed statement of who is calling, for
// that service alone. Its `typ` is its own, so that it is an access token nowhere; services verify it with our JWKS.
import type { AccessClaims } from './claims.ts'
import type { SigningKey, SigningKeys } from './signing-keys.ts'
import { newTokenId } from './token-id.ts'

/** What a route asks for. */
export interface AssertionFor {
  /** `aud`: the service. */
  audience: string
  /** How long one lives at most. */
  ttlSeconds: number
}

interface Minted extends AssertionFor {
  token: string
  key: SigningKey
  /** From when on a new one is made, ms: half its life is left for the way. */
  renewFrom: number
}

export class Assertions {
  readonly #keys: SigningKeys
  readonly #clock: () => number
  // By the claims of a verified access token, which all its requests share: what is minted goes when the token is forgotten.
  readonly #minted = new WeakMap<AccessClaims, Minted[]>()

  /** @param clock ms */
  constructor(keys: SigningKeys, clock: () => number) {
    this.#keys = keys
    this.#clock = clock
  }

  /**
   * The assertion about a caller for a service: minted once, then given again until half its life is over.
   * @param access claims of a verified access token; the assertion never outlives it
   * @returns a JWS in compact form
   * @throws StoreUnavailable when there is no key to sign with
   */
  about(access: AccessClaims, wanted: AssertionFor): string {
    const nowMs = this.#clock()
    const minted = this.#minted.get(access) ?? []
    const known = minted.find((one) => one.audience === wanted.audience && one.ttlSeconds === wanted.ttlSeconds)
    if (known?.key.isLive && nowMs < known.renewFrom) return known.token
    const fresh = this.#mint(access, wanted, nowMs)
    this.#minted.set(access, [...minted.filter((one) => one !== known), fresh])
    return fresh.token
  }

  #mint(access: AccessClaims, { audience, ttlSeconds }: AssertionFor, nowMs: number): Minted {
    const key = this.#keys.current()
    const iat = Math.floor(nowMs / 1000)
    const exp = Math.min(iat + ttlSeconds, access.exp)
    const { iss, sub, client_id, sid, scope, roles, auth_time } = access
    const jti = newTokenId()
    const claims = { iss, aud: audience, sub, client_id, iat, exp, jti, sid, scope, roles, auth_time }
    // One that ends with the access token is the last one: there is nothing to renew it for.
    const renewFrom = exp === access.exp ? Number.POSITIVE_INFINITY : nowMs + (ttlSeconds * 1000) / 2
    return { audience, ttlSeconds, token: key.signer.sign(claims, 'assertion+jwt'), key, renewFrom }
  }
}
