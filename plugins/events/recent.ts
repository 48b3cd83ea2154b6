// A Map that forgets: of what was not used of late, half leaves at once when there is too much. Used by the detector, whose memory
// must not grow with what clients send. Two Maps in turn: to look for the oldest key of one Map again and again is slow, for
// V8 walks over all that was deleted before it.

export class Recent<Value> {
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()
  readonly #half: number

  /** @param limit entries remembered at most, and half of them at least */
  constructor(limit: number) {
    this.#half = Math.ceil(limit / 2)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** The value of a key, made when there is none; from now on the key is young. */
  touch(key: string, make: () => Value): Value {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const value = this.#old.get(key) ?? make()
    this.#old.delete(key)
    if (this.#young.size >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
    return value
  }
}
