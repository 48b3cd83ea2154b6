// The material of a signing key: how it is generated, what of it is sealed, what of it is published. A key of another kind or
// size than its algorithm demands is refused here (RFC 8725 section 3.5).
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

/** JWS algorithms a signing key can have (RFC 7518, RFC 8037). HS256 keys are never published. */
export type SigningAlgorithm = 'ES256' | 'EdDSA' | 'RS256' | 'PS256' | 'HS256'

/** A public key as the JWKS holds it (RFC 7517): these members and no others. */
export interface PublicJwk {
  kty: string
  kid: string
  alg: SigningAlgorithm
  use: 'sig'
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

export interface KeyMaterial {
  kid: string
  alg: SigningAlgorithm
  /** As @fastify/jwt takes it: PEM texts, or the bytes of an HMAC key. */
  secret: Buffer | { private: string; public: string }
  /** Exact length of each signature by this key. */
  signatureBytes: number
  /** Undefined for HS256. */
  publicJwk: PublicJwk | undefined
}

const generatePair = promisify(generateKeyPair)
const rsaBits = 3072
const minRsaBits = 2048
// RFC 7518 section 3.2: a key of the same size as the hash output or larger MUST be used.
const hmacKeyBytes = 32
const hmacBytes = 32
const curveSignatureBytes = 64

/**
 * Makes a new key.
 * @returns the bytes to seal: PKCS #8 in DER, or the HMAC key itself
 */
export async function generateKey(alg: SigningAlgorithm): Promise<Buffer> {
  if (alg === 'HS256') return randomBytes(hmacKeyBytes)
  const { privateKey } = await generatePairFor(alg)
  return privateKey.export({ type: 'pkcs8', format: 'der' })
}

/**
 * Reads a key that `generateKey` made.
 * @param bytes unsealed
 * @param alg the algorithm the key is registered for; it signs and verifies nothing else
 * @throws Error when the key is not of the kind or size that the algorithm demands
 */
export function readKey(bytes: Buffer, alg: SigningAlgorithm, kid: string): KeyMaterial {
  if (alg === 'HS256') return readHmacKey(bytes, kid)
  const privateKey = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(privateKey)
  if (!fits(privateKey, alg)) throw new Error(`The signing key ${kid} is not a key for ${alg}.`)
  return {
    kid,
    alg,
    secret: {
      private: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      public: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    },
    signatureBytes: signatureBytesOf(publicKey),
    publicJwk: publicJwkOf(publicKey, alg, kid),
  }
}

/** Whether a text of the store names an algorithm we sign with. */
export function isSigningAlgorithm(alg: string): alg is SigningAlgorithm {
  return alg === 'ES256' || alg === 'EdDSA' || alg === 'RS256' || alg === 'PS256' || alg === 'HS256'
}

function generatePairFor(alg: Exclude<SigningAlgorithm, 'HS256'>): Promise<{ privateKey: KeyObject }> {
  switch (alg) {
    case 'ES256':
      return generatePair('ec', { namedCurve: 'P-256' })
    case 'EdDSA':
      return generatePair('ed25519')
    case 'RS256':
    case 'PS256':
      return generatePair('rsa', { modulusLength: rsaBits })
  }
}

function readHmacKey(bytes: Buffer, kid: string): KeyMaterial {
  if (bytes.length < hmacKeyBytes) throw new Error(`The signing key ${kid} is shorter than HS256 allows.`)
  return { kid, alg: 'HS256', secret: bytes, signatureBytes: hmacBytes, publicJwk: undefined }
}

function fits({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, alg: SigningAlgorithm): boolean {
  if (alg === 'ES256') return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1'
  if (alg === 'EdDSA') return asymmetricKeyType === 'ed25519'
  return asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= minRsaBits
}

function signatureBytesOf({ asymmetricKeyDetails }: KeyObject): number {
  const bits = asymmetricKeyDetails?.modulusLength
  return bits === undefined ? curveSignatureBytes : Math.ceil(bits / 8)
}

// Member by member, so that nothing private can slip in, whatever the export holds.
function publicJwkOf(publicKey: KeyObject, alg: SigningAlgorithm, kid: string): PublicJwk {
  const { kty = '', crv, x, y, n, e } = publicKey.export({ format: 'jwk' })
  return {
    kty,
    kid,
    alg,
    use: 'sig',
    ...(crv !== undefined && { crv }),
    ...(x !== undefined && { x }),
    ...(y !== undefined && { y }),
    ...(n !== undefined && { n }),
    ...(e !== undefined && { e }),
  }
}
