// The gate before the verbs of a Redis store: closed while Redis answers and must not be asked, because it holds another store than
// the one this process knows, or one that it cannot read. What finds out whether that is over goes past it.

export class RedisGate {
  #refusal: string | undefined

  /** Why verbs are refused now; undefined while they are not. */
  get refusal(): string | undefined {
    return this.#refusal
  }

  close(why: string): void {
    this.#refusal = why
  }

  open(): void {
    this.#refusal = undefined
  }
}
