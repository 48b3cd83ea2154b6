// A queue that is fair by place: who waits is kept in a tree of places (a wide network, a narrower one in it, and so on), and
// the places of each level take turns. Whoever fills the queue fills it with what leaves first.

/** Where somebody waits, from wide to narrow; empty: among those with no place of their own. */
export type QueuePlace = readonly string[]

/** One node of the tree: its own entries, and the places below it. A place that is empty is forgotten. */
export class FairQueue<Entry> {
  readonly #entries: Entry[] = []
  /** In the order of their turns: the first one is next. */
  readonly #places = new Map<string, FairQueue<Entry>>()
  #size = 0

  /** Entries, those of all places together. */
  get size(): number {
    return this.#size
  }

  push([first, ...rest]: QueuePlace, entry: Entry): void {
    this.#size += 1
    if (first === undefined) {
      this.#entries.push(entry)
      return
    }
    const place = this.#places.get(first) ?? new FairQueue<Entry>()
    place.push(rest, entry)
    this.#places.set(first, place)
  }

  /** Takes out whose turn it is. */
  shift(): Entry | undefined {
    // Those without a place come first: they are signed in.
    const own = this.#entries.shift()
    if (own !== undefined) {
      this.#size -= 1
      return own
    }
    const [next] = this.#places
    if (next === undefined) return undefined
    const [name, place] = next
    const entry = place.shift()
    this.#size -= 1
    this.#places.delete(name)
    if (place.size > 0) this.#places.set(name, place)
    return entry
  }

  /**
   * Takes out one that must yield to a newcomer: the newest of the widest place that has more than the newcomer's would have.
   * To one without a place all places yield.
   * @returns undefined when nobody has more: then it is the newcomer who finds no room
   */
  yieldTo([first, ...rest]: QueuePlace): Entry | undefined {
    const [name, largest] = this.#largest()
    if (largest === undefined) return undefined
    if (first === undefined) return this.#dropFrom(name, largest)
    const own = this.#places.get(first)
    if (largest.size > (own?.size ?? 0) + 1) return this.#dropFrom(name, largest)
    const yielded = own?.yieldTo(rest)
    if (yielded !== undefined) this.#size -= 1
    return yielded
  }

  /** Takes out the newest of the largest place, level by level. */
  drop(): Entry | undefined {
    const [name, largest] = this.#largest()
    if (largest !== undefined && largest.size >= this.#entries.length) return this.#dropFrom(name, largest)
    const newest = this.#entries.pop()
    if (newest !== undefined) this.#size -= 1
    return newest
  }

  #largest(): [string, FairQueue<Entry> | undefined] {
    let found: [string, FairQueue<Entry> | undefined] = ['', undefined]
    for (const one of this.#places) if (one[1].size > (found[1]?.size ?? 0)) found = one
    return found
  }

  #dropFrom(name: string, place: FairQueue<Entry>): Entry | undefined {
    const dropped = place.drop()
    if (dropped !== undefined) this.#size -= 1
    if (place.size === 0) this.#places.delete(name)
    return dropped
  }
}
