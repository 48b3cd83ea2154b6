// What of a document a route does not serve, and why. Every reason is said, each once with all the operations that it holds for.

export class LeftOut {
  readonly #operations = new Map<string, string[]>()

  /**
   * Notes an operation.
   * @param operation its method and path in the document
   * @param reason a sentence without a full stop
   */
  add(operation: string, reason: string): void {
    const known = this.#operations.get(reason)
    if (known === undefined) this.#operations.set(reason, [operation])
    else known.push(operation)
  }

  /** One sentence for each reason. */
  sentences(): string[] {
    return [...this.#operations].map(([reason, operations]) => {
      const verb = operations.length === 1 ? 'is' : 'are'
      return `${operations.join(', ')} ${verb} left out: ${reason}`
    })
  }
}
