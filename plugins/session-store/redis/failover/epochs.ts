// New primaries: this node notices each (a failover, or a restart), tells it what was ended lately, and lets it rotate only
// then (docs/architecture.md#the-life-of-a-failover). It must never call a primary prepared that was not told.
//
// What keeps a rotation from a primary that is not prepared is the primary itself: every rotation names those that this node
// has prepared, and the script looks whether it runs on one of them (nodes/primary.lua). So it does not matter over which
// connection, or after how many redirections, it came there; and a Cluster is prepared shard by shard.
//
// The other nodes tell the new primary what they know as well. So this one waits a moment after it was first seen, by the
// store's clock (`failoverWaitMs`). A node that comes later still is told of: what it ends then ends late, and finally.
//
// Seen too often is harmless: Redis gives a primary a new id also when its first replica comes, or an hour after its last one
// went. Refreshes then rest for that moment, and nothing can be healed, because nothing was lost.
import { setTimeout as delay } from 'node:timers/promises'
import { notBeforeKeptMs } from '../../port/not-before.ts'
import { StoreUnavailable } from '../../port/store.ts'
import type { RedisLink } from '../connection/link.ts'
import type { RedisNames } from '../key-names.ts'
import { scripts } from '../scripts.ts'
import { type Look, lookAtPrimaries, type Primary } from './primaries.ts'

/** How long before it fell silent a primary may have lost what it acknowledged, ms. */
const lostWithinMs = 10_000
/** A predecessor that was silent for longer says nothing about when it ended, ms. */
const maxSilenceMs = 120_000
/** What is left of a deadline for the response to a verb that had to wait before it was sent, ms. */
const responseMs = 100
/** How soon to look again when a primary is missing or not prepared, ms. */
const lookAgainMs = 100
/** How often a server that is a replica is left at most, ms. */
const leaveEveryMs = 500

export interface RedisEpochsOptions {
  link: RedisLink
  names: RedisNames
  /** Of a test; Redis TIME otherwise. */
  clock: (() => number) | undefined
  /** How long a new primary is given to hear all nodes, ms. */
  failoverWaitMs: number
  /** How often to look for new primaries; also when the link comes up, and when a rotation meets one. */
  lookEveryMs: number
  /** Tells new primaries what was ended. @param primaries replication ids with spaces between */
  replay: (primaries: string) => Promise<void>
  /** Looks whether what they hold is what it was, before any of them is told or asked anything; some may not be prepared. */
  inspect: (look: Look, hasStrangers: boolean) => Promise<void>
  /** Leaves a server that is a replica by now. */
  onDemoted: () => void
  /** Hears a sentence about each new primary that this node meets. */
  onEpoch: (sentence: string) => void
}

interface Heard {
  id: string
  /** performance.now() */
  at: number
}

export class RedisEpochs {
  readonly #options: RedisEpochsOptions
  /** Replication ids, oldest first. */
  readonly #prepared = new Set<string>()
  /** By address, what answered there last. */
  readonly #heard = new Map<string, Heard>()
  #primaries: readonly Primary[] = []
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #leftAt = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(options: RedisEpochsOptions) {
    this.#options = options
    options.link.onReady(() => void this.#lookSoon())
  }

  /**
   * Looks for the first time.
   * @throws StoreUnavailable when no primary answers
   */
  async start(): Promise<void> {
    await this.#look()
    if (this.#primaries.length === 0) throw new StoreUnavailable('Redis: no primary answers')
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** The primaries that may rotate, for a script: replication ids with spaces between. */
  get prepared(): string {
    return [...this.#prepared].join(' ')
  }

  /** The primaries that have replicas, which could acknowledge a write: their addresses. */
  get replicated(): ReadonlySet<string> {
    return new Set(this.#primaries.filter(({ replicas }) => replicas > 0).map(({ address }) => address))
  }

  /**
   * Runs a verb that only a prepared primary may carry out. One that is not yet refuses (`new_primary`); within the deadline it is
   * waited for, but for what the response may take: a verb that is sent at the last moment would be refused here and carried out
   * there.
   * @param send sends the verb with the primaries that are prepared, ids with spaces between, within the time that is left, ms
   * @throws StoreUnavailable
   */
  async whenPrepared(send: (prepared: string, restMs: number) => Promise<Buffer[]>): Promise<Buffer[]> {
    const { deadlineMs } = this.#options.link
    const startedAt = performance.now()
    for (;;) {
      const reply = await send(this.prepared, deadlineMs - (performance.now() - startedAt))
      if (String(reply[0]) !== 'new_primary') return reply
      await this.untilPrepared(deadlineMs - responseMs - (performance.now() - startedAt))
    }
  }

  /**
   * Waits until the primaries there are now have been prepared.
   * @throws StoreUnavailable when that takes longer
   */
  untilPrepared(deadlineMs: number): Promise<void> {
    return this.#options.link.until(this.#lookSoon(), deadlineMs)
  }

  /**
   * Whether a token of a generation that the store lacks may be one that it lost: issued while what was acknowledged was being
   * lost, to a primary that is gone.
   * @param issuedAtSeconds by the clock of the primary that is gone
   * @throws StoreUnavailable
   */
  async mayBeLost(issuedAtSeconds: number): Promise<boolean> {
    // Boundary: HVALS answers texts, which begin-epoch.lua writes.
    const epochs = (await this.#options.link.command('HVALS', [this.#options.names.epochs])) as Buffer[]
    return epochs.some((text) => wasLostIn(String(text), issuedAtSeconds))
  }

  // One look at a time, for all who ask. It never rejects.
  #lookSoon(): Promise<void> {
    this.#looking ??= this.#look()
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer)
    let isDone = false
    try {
      const look = await lookAtPrimaries(this.#options.link)
      const { primaries, isComplete } = look
      if (look.isDemoted) this.#leave()
      const strangers = primaries.filter(({ id }) => !this.#prepared.has(id))
      if (primaries.length > 0) await this.#options.inspect(look, strangers.length > 0)
      for (const { address, id } of primaries) if (this.#prepared.has(id)) this.#hear(address, id)
      if (strangers.length > 0) await this.#prepare(primaries, strangers)
      this.#primaries = primaries
      isDone = isComplete
    } finally {
      this.#lookAfter(isDone ? this.#options.lookEveryMs : lookAgainMs)
    }
  }

  // Seldom: while the address still leads to a replica, whoever reads from it is cut off each time.
  #leave(): void {
    if (performance.now() - this.#leftAt < leaveEveryMs) return
    this.#leftAt = performance.now()
    this.#options.onDemoted()
  }

  #lookAfter(ms: number): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#lookSoon(), ms).unref()
  }

  async #prepare(primaries: readonly Primary[], strangers: readonly Primary[]): Promise<void> {
    const silences = strangers.map((stranger) => this.#silenceBefore(stranger))
    const ages = await this.#begin(strangers, silences)
    const begunAt = performance.now()
    if (silences.some((silentMs) => silentMs !== undefined)) {
      await this.#options.replay(primaries.map(({ id }) => id).join(' '))
    }
    const rest = Math.max(0, ...ages.map((ageMs) => (ageMs < 0 ? 0 : this.#options.failoverWaitMs - ageMs)))
    await delay(Math.max(0, rest - (performance.now() - begunAt)), undefined, { ref: false })
    for (const [i, stranger] of strangers.entries()) {
      this.#remember(stranger)
      if (silences[i] === undefined) continue
      this.#options.onEpoch(
        `A new Redis primary serves; the one before had been silent for ${silences[i]} ms. It was told what was ended lately.`,
      )
    }
  }

  // How long ago this node has last heard the primary before this one; undefined when it knew none.
  #silenceBefore({ address, predecessorId }: Primary): number | undefined {
    const before = [...this.#heard.values()].find(({ id }) => id === predecessorId) ?? this.#heard.get(address)
    return before && Math.min(maxSilenceMs, Math.round(performance.now() - before.at))
  }

  // How long ago the epoch of each began, ms; -1 for none.
  async #begin(strangers: readonly Primary[], silences: readonly (number | undefined)[]): Promise<number[]> {
    const { link, names, clock } = this.#options
    const pairs = strangers.flatMap(({ id }, i) => [id, silences[i] ?? ''])
    const args = [clock?.() ?? '', lostWithinMs, notBeforeKeptMs, ...pairs]
    // Boundary: begin-epoch.lua answers a number for each.
    return (await link.run(scripts.beginEpoch, [names.epochs], args)) as number[]
  }

  #remember({ address, id, predecessorId }: Primary): void {
    this.#prepared.add(id)
    for (const [at, heard] of this.#heard) if (heard.id === predecessorId) this.#heard.delete(at)
    this.#hear(address, id)
    // No more than are noted in the store; one that is still there is prepared once more.
    if (this.#prepared.size > 64) this.#prepared.delete([...this.#prepared][0] ?? '')
  }

  #hear(address: string, id: string): void {
    this.#heard.set(address, { id, at: performance.now() })
  }
}

// 'began from until', ms. Tokens have whole seconds.
function wasLostIn(epoch: string, issuedAtSeconds: number): boolean {
  const [began = 0, from = 0, until = 0] = epoch.split(' ').map(Number)
  return began > 0 && issuedAtSeconds >= Math.floor(from / 1000) && issuedAtSeconds <= Math.floor(until / 1000)
}
