// The seal of a record in a shared store: a MAC over what the gateway wrote, bound to its place, so that whoever can write the store
// cannot make rights up. Its key lives as long as the store and is derived from the one for subject tags, which is sealed under
// CARDEA_SECRET: another secret touches no record. What a script of the store changes by itself lies outside (docs/threat-model.md).
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import { OnceAMinute } from '../session-store/once-a-minute.ts'

/** What kinds of records are sealed; a seal of one is none of another. */
type Kind = 'user' | 'session'

/** Without a key of the store, as tests have it, everybody can make seals. */
const noKey = createSecretKey(Buffer.alloc(32))

/**
 * The key of a store's seals.
 * @param storeKey the store's own key (subject-tag.ts), 32 bytes
 */
export function sealKeyOf(storeKey: Buffer): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', storeKey, 'cardea', 'records', 32)))
}

export class RecordSeals {
  readonly #key: () => KeyObject | undefined
  readonly #forged: OnceAMinute

  /**
   * @param key of the store as it is now; it is another one when the store is
   * @param onForged hears of a record that nobody with the key has written, each place once a minute
   */
  constructor(key: () => KeyObject | undefined, onForged: (sentence: string) => void) {
    this.#key = key
    this.#forged = new OnceAMinute(onForged)
  }

  /**
   * The seal of a record (HMAC-SHA-256, RFC 2104, cut to its first bytes).
   * @param place where it stands: no other record may stand there
   * @param content all that is sealed, without ambiguity
   * @param bytes length, at least 8
   */
  make(kind: Kind, place: string, content: string | Buffer, bytes: number): Buffer {
    // No place holds a line feed, so no two records make one text.
    const mac = createHmac('sha256', this.#key() ?? noKey)
      .update(`${kind}\n${place}\n`)
      .update(content)
    return mac.digest().subarray(0, bytes)
  }

  /** Whether `seal` is the seal of a record; one that is not is told of. */
  isRight(kind: Kind, place: string, content: string | Buffer, seal: Buffer, bytes: number): boolean {
    if (seal.length === bytes && timingSafeEqual(seal, this.make(kind, place, content, bytes))) return true
    const sentence = `The record of ${kind} ${place} was not written by a gateway of this store, and is refused: see who can write to it.`
    this.#forged.tell(`${kind} ${place}`, sentence)
    return false
  }
}
