// A bounded Map that forgets what was not used for longest, for as many entries as anybody may make. Not a Map whose oldest
// key is deleted: a new iterator passes every place that was left since the last growth (50 us at 100,000 entries), and a
// kept one keeps every table that was outgrown meanwhile.

/**
 * Entries in two generations: used since the last turn, and used in the turn before. An entry unused for a whole turn is
 * forgotten; what is used costs one look-up, and a second one once a turn, and moves nothing else.
 */
export class LruMap<Entry> {
  readonly #turnSize: number
  #recent = new Map<string, Entry>()
  #older = new Map<string, Entry>()

  /** @param maxEntries most entries held at a time, of which the half used last is never forgotten; at least 2 */
  constructor(maxEntries: number) {
    this.#turnSize = Math.max(1, Math.floor(maxEntries / 2))
  }

  /** The entry of this key, which is used now. */
  get(key: string): Entry | undefined {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    const older = this.#older.get(key)
    if (older !== undefined) this.set(key, older)
    return older
  }

  /** The entry of this key, made when there is none; it is used now. */
  touch(key: string, make: () => Entry): Entry {
    const known = this.get(key)
    if (known !== undefined) return known
    const made = make()
    this.set(key, made)
    return made
  }

  set(key: string, entry: Entry): void {
    if (this.#recent.size >= this.#turnSize && !this.#recent.has(key)) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#older.delete(key)
    this.#recent.set(key, entry)
  }

  delete(key: string): void {
    this.#recent.delete(key)
    this.#older.delete(key)
  }

  get size(): number {
    return this.#recent.size + this.#older.size
  }
}
