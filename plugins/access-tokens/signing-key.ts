// A signing key as this node holds it once it is loaded, and what signs with it.
import type { KeyMaterial } from './key-material.ts'

/** The `typ` of what is signed: an access token, or a statement about its owner for one service (RFC 8725 section 3.11). */
export type TokenType = 'at+jwt' | 'assertion+jwt'

/** Signs and verifies with one key and one algorithm. */
export interface Signer {
  /** @returns a JWS in compact form; an access token when no type is given */
  sign(claims: object, typ?: TokenType): string
  /** @returns the payload of an access token; throws when the signature is wrong */
  verify(token: string): object
  close(): Promise<void>
}

/** A key that is loaded. */
export interface SigningKey extends Pick<KeyMaterial, 'kid' | 'alg' | 'signatureBytes' | 'publicJwk'> {
  /** When it begins to sign, ms. It verifies from the moment it is loaded. */
  readonly activeFrom: number
  readonly signer: Signer
  /** False once it is gone: what it signed is refused from then on. */
  isLive: boolean
}
