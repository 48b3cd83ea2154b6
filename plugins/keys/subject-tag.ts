// The store's own key, for the seals of records (record-seal.ts) and for subject tags, the first 8 characters of every `sid`.
// Loaded once at start. It lives as long as the store: another key would give a subject another tag, and another slot.
import { type KeyObject, randomBytes } from 'node:crypto'
import type { KeyStore, SealedKey } from '../session-store/port/store.ts'
import { subjectTag } from '../session-store/refresh-token.ts'
import { sealKeyOf } from './record-seal.ts'
import { openAndReseal, sealKey } from './sealed-key.ts'
import type { Secret } from './secrets.ts'

/** From a subject to the 8 characters every sid of it begins with, and what comes from the same key. */
export interface SubjectTag {
  (sub: string): string
  /** Of the seals of records; absent in tests that need none. */
  readonly sealKey?: KeyObject
}

/** The function of a store. @param key as `loadSubjectTagKey` gives it */
export function subjectTagOf(key: Buffer): SubjectTag {
  return Object.assign((sub: string) => subjectTag(sub, key), { sealKey: sealKeyOf(key) })
}

/** Its id among the keys of the store. */
export const subjectTagKeyId = 'subject-tag'
const subjectTagKeyBytes = 32

/**
 * The key for subject tags: the same on every node, made at the first start of a store.
 * @param keys the store's keys
 * @param secrets newest first
 * @returns 32 bytes
 * @throws Error that says which setting to change, when no secret opens the stored key
 */
export async function loadSubjectTagKey(keys: KeyStore, secrets: readonly Secret[]): Promise<Buffer> {
  const stored = (await findKey(keys)) ?? (await makeKey(keys, secrets))
  return openAndReseal(keys, stored, secrets)
}

async function findKey(keys: KeyStore): Promise<SealedKey | undefined> {
  return (await keys.list()).find(({ id }) => id === subjectTagKeyId)
}

// Nodes that start together all add; one wins, and what the store holds then is read back by all of them.
async function makeKey(keys: KeyStore, secrets: readonly Secret[]): Promise<SealedKey> {
  const name = { id: subjectTagKeyId, use: 'subject-tag', alg: '', createdAt: Date.now(), activeFrom: 0 } as const
  await keys.add(sealKey(name, randomBytes(subjectTagKeyBytes), secrets))
  const stored = await findKey(keys)
  if (!stored) throw new Error('The store lost the key for subject tags while it was being made.')
  return stored
}
