// A sealed key, on its way into the key store and out of it: sealed under the newest secret, opened under any of them. What
// is opened here must never be logged or stored in clear.

import type { KeyStore, SealedKey } from '../session-store/port/store.ts'
import { type Secret, seal, unseal } from './secrets.ts'

/** A key of the store opens with none of the secrets; the message says what to change. */
export class KeyUnopenable extends Error {}

/** A key of the store before it is sealed. */
export type KeyName = Omit<SealedKey, 'sealed'>

/**
 * Seals a key for the store.
 * @param name what it is; id, use and algorithm are bound to the ciphertext, so a key cannot be passed off as another
 * @param plaintext the key itself
 * @param secrets newest first; the newest seals
 */
export function sealKey(name: KeyName, plaintext: Buffer, secrets: readonly Secret[]): SealedKey {
  return { ...name, sealed: seal(plaintext, labelOf(name), newestOf(secrets)) }
}

/**
 * Opens a key of the store.
 * @returns the key itself, or undefined when none of the secrets sealed it or it was altered
 */
export function openKey(key: SealedKey, secrets: readonly Secret[]): Buffer | undefined {
  return unseal(key.sealed, labelOf(key), secrets)
}

/**
 * Opens a key at start, and seals it anew when an older secret had sealed it: after one start under a new secret, the old
 * one protects nothing any more and can leave the list.
 * @returns the key itself
 * @throws KeyUnopenable when no secret opens it
 */
export async function openAndReseal(keys: KeyStore, key: SealedKey, secrets: readonly Secret[]): Promise<Buffer> {
  const [newest] = secrets
  const current = newest && openKey(key, [newest])
  if (current) return current
  const plaintext = openKey(key, secrets)
  if (!plaintext) throw new KeyUnopenable(unopenable(key))
  await keys.replace(key.id, sealKey(key, plaintext, secrets).sealed)
  return plaintext
}

/** The sentence for a key that none of the secrets opens: what it is and what to change. */
export function unopenable({ id, use, alg }: KeyName): string {
  const what = alg ? `${use} key ${id} (${alg})` : `${use} key`
  return (
    `The store's ${what} opens with none of the secrets of CARDEA_SECRET: ` +
    'add the secret it was sealed under to the end of that list, or start with an empty store (CARDEA_DATA_DIR, REDIS_URL).'
  )
}

function labelOf({ id, use, alg }: KeyName): string {
  // No part can hold a line feed, so no two names make one label.
  return [use, alg, id].join('\n')
}

function newestOf(secrets: readonly Secret[]): Secret {
  const [newest] = secrets
  if (!newest) throw new Error('Sealing a key needs at least one secret (CARDEA_SECRET).')
  return newest
}
