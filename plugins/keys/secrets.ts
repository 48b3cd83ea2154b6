// CARDEA_SECRET and what is derived from it (HKDF-SHA-256, RFC 5869): the MAC keys of refresh tokens and of
// device cookies, and the key under which the store's own keys are sealed. Nothing else in the gateway sees a secret itself.
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'

/** One secret of the list, as the keys derived from it. */
export interface Secret {
  /** Names the secret inside a token or a sealed key: one byte derived from it, not a position in the list. */
  keyId: number
  refreshTokenKey: KeyObject
  deviceCookieKey: KeyObject
  sealingKey: KeyObject
}

/** Least length of a secret, in characters. */
export const minimumSecretLength = 32

/**
 * Derives the keys of each secret.
 * @param texts newest first; each at least `minimumSecretLength` characters
 * @returns the same order: the first one writes, all of them read
 */
export function deriveSecrets(texts: readonly string[]): Secret[] {
  return texts.map((text) => ({
    keyId: derive(text, 'key id', 1).readUInt8(0),
    refreshTokenKey: createSecretKey(derive(text, 'refresh token', 32)),
    deviceCookieKey: createSecretKey(derive(text, 'device cookie', 32)),
    sealingKey: createSecretKey(derive(text, 'sealed keys', 32)),
  }))
}

function derive(text: string, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', text, 'cardea', purpose, bytes))
}

const nonceBytes = 12
const tagBytes = 16

/**
 * Encrypts a key for the store (AES-256-GCM), bound to its name.
 * @param label what the plaintext is; unsealing under another label fails
 * @returns base64url( key id 1B | nonce 12B | tag 16B | ciphertext )
 */
export function seal(plaintext: Buffer, label: string, secret: Secret): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', secret.sealingKey, nonce).setAAD(Buffer.from(label))
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.of(secret.keyId), nonce, cipher.getAuthTag(), ciphertext]).toString('base64url')
}

/**
 * Decrypts what `seal` made.
 * @returns the plaintext, or undefined when none of the secrets made it or it was altered
 */
export function unseal(sealed: string, label: string, secrets: readonly Secret[]): Buffer | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  for (const secret of secrets) {
    if (bytes[0] !== secret.keyId) continue
    const plaintext = unsealWith(bytes, label, secret)
    if (plaintext) return plaintext
  }
  return undefined
}

function unsealWith(bytes: Buffer, label: string, secret: Secret): Buffer | undefined {
  const nonce = bytes.subarray(1, 1 + nonceBytes)
  const tag = bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes)
  if (tag.length !== tagBytes) return undefined
  const options = { authTagLength: tagBytes }
  const decipher = createDecipheriv('aes-256-gcm', secret.sealingKey, nonce, options).setAAD(Buffer.from(label))
  try {
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes + tagBytes)), decipher.final()])
  } catch {
    return undefined
  }
}
