// The condition of a store that answers: what is the matter with it though it does, and who hears of that. Every adapter has one.
// It decides nothing: what must be refused the adapter refuses; here it is said, in sentences that an operator can act on.

/**
 * What happened. `notice`: worth reading. `alarm`: somebody must look. `forged`: a record that no gateway wrote was refused.
 * `replaced`: an alarm, and nothing that was read from the store before holds any more, keys and revocations included: whoever
 * keeps such things in memory reads all of it anew.
 * `keys_changed`: nothing to tell anybody; whoever keeps signing keys reads them again.
 */
export interface StoreNews {
  kind: 'notice' | 'alarm' | 'forged' | 'replaced' | 'keys_changed'
  sentence: string
}

type Listener = (news: StoreNews) => void

export class StoreCondition {
  readonly #listeners = new Set<Listener>()
  readonly #warnings = new Map<string, string>()
  #replacements = 0

  /** What is wrong with the store while it serves, a word each; empty when all is well. */
  get topics(): string[] {
    return [...this.#warnings.keys()]
  }

  /** How often the store was replaced: what was read under another number is void. */
  get replacements(): number {
    return this.#replacements
  }

  /**
   * Calls `listener` with all that happens from now on; it must neither throw nor wait.
   * @returns ends that
   */
  onNews(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Says something once. */
  tell(kind: StoreNews['kind'], sentence: string): void {
    if (kind === 'replaced') this.#replacements += 1
    for (const listener of this.#listeners) listener({ kind, sentence })
  }

  /**
   * Notes what is wrong for as long as it is: an alarm when it begins, a notice when it is over.
   * @param topic a word for it, which anybody may read (`GET /readyz`)
   * @param sentence what is wrong now; undefined when it is not
   */
  note(topic: string, sentence: string | undefined): void {
    const before = this.#warnings.get(topic)
    if (before === sentence) return
    if (sentence === undefined) {
      this.#warnings.delete(topic)
      this.tell('notice', `This is over: ${before}`)
    } else {
      this.#warnings.set(topic, sentence)
      this.tell('alarm', sentence)
    }
  }
}
