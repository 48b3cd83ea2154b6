// Waits until a replica has what this node wrote, so that a failover does not lose it. Rotations do not wait, they heal. It
// never fails a verb: what no replica acknowledged in time, every node's journal remembers (failover/recent-revocations.ts).
//
// WAIT speaks of what its own connection wrote, and blocks that connection. So the verb goes over the link that all share,
// and when it has answered, a write of no meaning, the replication barrier, goes over a connection of its own, with WAIT behind it. A
// replica applies a primary's writes in their order, whoever wrote them: when it has the replication barrier, it has the verb.
// All that wait share one fence, and there is one at a time: where replicas do not answer, a thousand ends together wait
// twice the timeout at most, and no refresh waits at all.
import type { RedisLink } from '../connection/link.ts'
import type { RedisNames } from '../key-names.ts'

/** How long a replica is given to acknowledge, ms. */
const timeoutMs = 100
/** A fence is needed for as long as its round takes, ms. */
const barrierTtlMs = 1_000
const tellEveryMs = 60_000

export interface ReplicationBarrierOptions {
  /** Of its own: nothing else may use it. */
  link: RedisLink
  names: RedisNames
  isCluster: boolean
  /** The addresses of primaries that have replicas. */
  replicated: () => ReadonlySet<string>
  /** Hears a sentence, once a minute at most, when verbs went on without a replica having acknowledged them. */
  onUnconfirmed: (sentence: string) => void
}

export class ReplicationBarrier {
  readonly #options: ReplicationBarrierOptions
  /** A fence for each key that waits for the next round. */
  readonly #fences = new Set<string>()
  #verbs = 0
  #unconfirmed = 0
  #toldAt = Number.NEGATIVE_INFINITY
  #round: Promise<void> = Promise.resolve()
  #nextRound: Promise<void> | undefined

  constructor(options: ReplicationBarrierOptions) {
    this.#options = options
  }

  /**
   * Waits until a replica has what was written last under a key, or for a little while. Never rejects.
   * @param key that the verb wrote: in a Cluster the replication barrier must lie on the same primary
   */
  confirm(key: string): Promise<void> {
    if (this.#options.replicated().size === 0) return Promise.resolve()
    this.#fences.add(this.#options.names.barrier(key))
    this.#verbs += 1
    this.#nextRound ??= this.#round.then(() => this.#begin())
    return this.#nextRound
  }

  #begin(): Promise<void> {
    const [fences, verbs] = [[...this.#fences], this.#verbs]
    this.#fences.clear()
    this.#verbs = 0
    this.#nextRound = undefined
    this.#round = this.#isAcknowledged(fences).then((isAcknowledged) => {
      if (!isAcknowledged) this.#tell(verbs)
    })
    return this.#round
  }

  #tell(verbs: number): void {
    this.#unconfirmed += verbs
    if (performance.now() - this.#toldAt < tellEveryMs) return
    this.#options.onUnconfirmed(
      `No Redis replica has acknowledged ${this.#unconfirmed} revocations within ${timeoutMs} ms: until one does, only the journals of the gateways keep them through a failover.`,
    )
    this.#toldAt = performance.now()
    this.#unconfirmed = 0
  }

  async #isAcknowledged(fences: readonly string[]): Promise<boolean> {
    const { isCluster, link, replicated } = this.#options
    const write = (barrier: string) => link.command('SET', [barrier, 1, 'PX', barrierTtlMs])
    try {
      // One primary: one fence is enough, and WAIT follows on its heels. In a Cluster a fence may be sent on to another
      // primary, and WAIT, which has no key, cannot follow it: there it goes to all, when the fences are written.
      const written = Promise.all((isCluster ? fences : fences.slice(0, 1)).map(write))
      if (isCluster) await written
      const addresses = replicated()
      const isMeant = (address: string) => addresses.has(address)
      const [replicas] = await Promise.all([
        link.commandPrimaries('WAIT', [1, timeoutMs], timeoutMs + link.deadlineMs, isMeant),
        written,
      ])
      return [...replicas.values()].every((count) => Number(count) >= 1)
    } catch {
      return false
    }
  }
}
