// The part of the store port about keys, which the store only ever holds sealed.

/** A key, sealed under a key derived from CARDEA_SECRET. The store never sees what is in it. */
export interface SealedKey {
  /** The `kid` of a signing key; a fixed word for other uses. */
  id: string
  use: 'signing' | 'subject-tag'
  /** JWS algorithm of a signing key; empty otherwise. */
  alg: string
  createdAt: number
  /** From when on it may sign; it is published before. */
  activeFrom: number
  /** base64url. */
  sealed: string
}

export interface KeyStore {
  list(): Promise<SealedKey[]>
  /** @returns false when a key of this id exists already, or was removed; nothing is changed then */
  add(key: SealedKey): Promise<boolean>
  /**
   * Replaces the sealed text of a key: the same key, sealed under a newer secret.
   * @returns false when there is no key of this id; nothing is changed then
   */
  replace(id: string, sealed: string): Promise<boolean>
  /** Removes a key for good: its id is never taken again. Idempotent. */
  remove(id: string): Promise<void>
}
