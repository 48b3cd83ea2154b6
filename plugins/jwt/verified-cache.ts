// Access tokens that were verified before, so that a token costs its cryptography once and not at each request. Keyed by the
// whole token: no two tokens share an entry (CVE-2026-35039). Refusals are never kept: anyone could fill it with them.
// It remembers only that signature and claims were right; time, key and revocation are looked at on every request.

/**
 * A bounded Map in two generations: what was used since the last turn, and what was used in the turn before. A hit costs
 * one look-up and moves nothing; an entry unused for a whole turn is forgotten.
 */
export class VerifiedCache<Entry> {
  readonly #turnSize: number
  #recent = new Map<string, Entry>()
  #older = new Map<string, Entry>()

  /** @param maxEntries most entries held at a time, both generations together; at least 2 */
  constructor(maxEntries: number) {
    this.#turnSize = Math.max(1, Math.floor(maxEntries / 2))
  }

  /** The entry of exactly this token. */
  get(token: string): Entry | undefined {
    const recent = this.#recent.get(token)
    if (recent !== undefined) return recent
    const older = this.#older.get(token)
    if (older !== undefined) this.set(token, older)
    return older
  }

  set(token: string, entry: Entry): void {
    if (this.#recent.size >= this.#turnSize) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#older.delete(token)
    this.#recent.set(token, entry)
  }

  delete(token: string): void {
    this.#recent.delete(token)
    this.#older.delete(token)
  }

  get size(): number {
    return this.#recent.size + this.#older.size
  }
}
