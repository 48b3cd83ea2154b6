// The shape that a text must have before it is worth any cryptography. It must stay cheap and bounded: anyone can send
// anything here.

/** Longest access token that is looked at, in characters. */
const accessTokenLimit = 8192

/** A text of the right form: three parts, a header we could have written. Nothing in it is verified yet. */
export interface TokenShape {
  alg: string
  kid: string
  signature: Buffer
}

// Ours is about 90 characters. The bound also bounds how deep the JSON in it can nest.
const headerLimit = 256

// RFC 9068 section 2.1. `application/at+jwt` is allowed by the RFC, but nothing of ours writes it.
const accessTokenType = 'at+jwt'

/**
 * Reads the form of an access token (RFC 7515 section 7.1, RFC 9068 section 2.1).
 * @param token as presented
 * @returns what its header says, or undefined when this gateway cannot have written it
 */
export function readShape(token: unknown): TokenShape | undefined {
  if (typeof token !== 'string' || token.length > accessTokenLimit) return undefined
  const headerEnd = token.indexOf('.')
  const payloadEnd = token.indexOf('.', headerEnd + 1)
  // Counted before anything is decoded: five parts are a JWE, and none of ours is encrypted.
  if (payloadEnd < 0 || token.indexOf('.', payloadEnd + 1) >= 0) return undefined
  const header = headerEnd <= headerLimit ? decodeStrictly(token.slice(0, headerEnd)) : undefined
  const payload = decodeStrictly(token.slice(headerEnd + 1, payloadEnd))
  const signature = decodeStrictly(token.slice(payloadEnd + 1))
  if (!header || !payload || !signature) return undefined
  const members = readHeader(header)
  return members && { ...members, signature }
}

/**
 * Decodes base64url with one spelling only (RFC 7515 section 2, RFC 4648 section 3.5): no padding, no blanks, no foreign
 * characters, no stray bits in the last character. Otherwise one token would have many texts.
 */
function decodeStrictly(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length > 0 && bytes.toString('base64url') === text ? bytes : undefined
}

// Exactly the three members that we write. RFC 7515 section 4 would have unknown ones ignored, but a token with any other is
// not ours: so crit, b64, jku, jwk, x5u, x5c, zip and whatever comes next are refused without being named.
function readHeader(bytes: Buffer): { alg: string; kid: string } | undefined {
  const text = bytes.toString('latin1')
  const header = parseObject(text)
  if (!header || Object.keys(header).length !== 3) return undefined
  const { alg, kid, typ } = header
  if (typ !== accessTokenType || typeof alg !== 'string' || typeof kid !== 'string') return undefined
  // A repeated member could be read one way here and another way elsewhere (RFC 7519 section 4). Ours are written once,
  // without blanks or escapes, so the text must be just the text that these members make.
  return JSON.stringify(header) === text ? { alg, kid } : undefined
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    // Boundary: what JSON.parse made and is neither null nor an array is a plain record.
    return value as Record<string, unknown>
  } catch {
    return undefined
  }
}

// The order of the group of P-256 (FIPS 186-5, SEC 2 section 2.4.2).
const p256Order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
const p256HalfBytes = 32

/**
 * Whether both halves of an ES256 signature are in [1, n-1] (FIPS 186-5 section 6.4.2). A verifier that forgets this takes
 * zeros for a signature of anything (CVE-2022-21449).
 * @param signature 64 bytes, r and s
 */
export function isInP256Range(signature: Buffer): boolean {
  return isScalar(signature.subarray(0, p256HalfBytes)) && isScalar(signature.subarray(p256HalfBytes))
}

function isScalar(half: Buffer): boolean {
  return half.length === p256HalfBytes && half.some((byte) => byte !== 0) && half.compare(p256Order) < 0
}
