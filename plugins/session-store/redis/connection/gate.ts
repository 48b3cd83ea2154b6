// The gate before the verbs of a Redis store: closed while Redis answers and must not be asked, because it holds another store than
// the one this process knows, or one that it cannot read. What finds out whether that is over goes past it.

export class RedisGate {
  #problem: string | undefined

  /** Why verbs are refused now; undefined while they are not. */
  get problem(): string | undefined {
    return this.#problem
  }

  close(why: string): void {
    this.#problem = why
  }

  open(): void {
    this.#problem = undefined
  }
}
