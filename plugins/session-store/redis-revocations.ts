// The revocation log in Redis: a Stream, trimmed by age, followed on a connection of its own. Called by redis-sessions.ts.
// It must never say "nothing new" when it could not look: a node that believes it would let the revoked through.
//
// One server and Sentinel: the script that ends a session appends to the log in the same step. In a Cluster a script may
// touch one slot only, and the log lies in another than the sessions: there the verb's answer carries what ended, and
// `publish` appends it before the verb answers. Between the two the session is already dead for every refresh on every node.
// If appending fails the verb fails (503) and this node goes on trying in the background; and whoever ends or presents the
// session again within `keepMs` has its tombstone published again, if the log does not have it. A node that dies in that very
// moment, with nobody coming again, leaves the others to honour the session's access tokens for the rest of their life.
import { setTimeout as delay } from 'node:timers/promises'
import type { Argument, RedisLink } from './redis-link.ts'
import { scripts } from './redis-scripts.ts'
import { type EndReason, type LogPosition, type Revocation, type RevocationPage, StoreUnavailable } from './store.ts'

/** Most entries of one page; a reader that gets a full page comes again at once. */
const pageSize = 1000
// One blocking read waits so long at most: a dead connection is noticed, and a closing store is not waited for.
const blockMs = 1000
const publishAgainMs = 250
const backlogLimit = 10_000

interface Waiter {
  position: LogPosition
  resolve: (page: RevocationPage) => void
  reject: (error: unknown) => void
}

export class RedisRevocations {
  readonly #link: RedisLink
  readonly #tail: RedisLink
  readonly #name: string
  readonly #keepMs: number
  readonly #clock: (() => number) | undefined
  readonly #waiters = new Set<Waiter>()
  readonly #backlog: Revocation[] = []
  #isFollowing = false
  #isClosed = false

  /**
   * @param link for everything that does not wait
   * @param tail for the blocking read; nothing else may use it
   * @param name of the stream
   * @param keepMs how old entries become
   * @param clock of a test; the store's own otherwise
   */
  constructor(link: RedisLink, tail: RedisLink, name: string, keepMs: number, clock: (() => number) | undefined) {
    this.#link = link
    this.#tail = tail
    this.#name = name
    this.#keepMs = keepMs
    this.#clock = clock
  }

  /** See `SessionStore.readRevocations`. */
  async read(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    const position = typeof after === 'string' ? assertPosition(after) : positionBefore(after.sinceMs)
    if (waitMs <= 0) return this.#readNow(position)
    // The reader waits from here on, so that what is appended while we look is not missed.
    const { promise, resolve, reject } = Promise.withResolvers<RevocationPage>()
    const waiter = { position, resolve, reject }
    this.#link.assertOpen()
    this.#waiters.add(waiter)
    const timer = setTimeout(() => void this.#look(waiter, true), waitMs).unref()
    void this.#look(waiter, false)
    void this.#follow()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiters.delete(waiter)
    }
  }

  /** Appends what a verb ended, in a Cluster. Fails when it cannot, and goes on trying. */
  async publish(revocations: readonly Revocation[]): Promise<void> {
    if (revocations.length === 0) return
    try {
      await this.#append(revocations)
    } catch (error) {
      this.#backlog.push(...revocations)
      this.#backlog.splice(0, this.#backlog.length - backlogLimit)
      if (this.#backlog.length === revocations.length) void this.#publishBacklog()
      throw error
    }
  }

  /** Releases everyone who waits with an empty page. */
  close(): void {
    this.#isClosed = true
    for (const { position, resolve } of this.#waiters) resolve({ revocations: [], position })
  }

  // The log as it is now, for one who waits: an empty page ends the wait only when its time is over.
  async #look({ position, resolve, reject }: Waiter, isOver: boolean): Promise<void> {
    try {
      const page = await this.#readNow(position)
      if (isOver || page.revocations.length > 0) resolve(page)
    } catch (error) {
      if (this.#isClosed) resolve({ revocations: [], position })
      else reject(error)
    }
  }

  // One blocking read at a time, for all who wait, from the earliest place any of them stands at.
  async #follow(): Promise<void> {
    if (this.#isFollowing) return
    this.#isFollowing = true
    try {
      while (this.#waiters.size > 0) this.#serve(await this.#readBlocking(earliest(this.#waiters)))
    } catch (error) {
      for (const { reject } of this.#waiters) if (!this.#isClosed) reject(error)
    } finally {
      this.#isFollowing = false
    }
  }

  #serve(entries: readonly Entry[]): void {
    for (const waiter of this.#waiters) {
      const page = toPage(
        entries.filter(({ position }) => isLater(position, waiter.position)),
        waiter.position,
      )
      if (page.revocations.length === 0) continue
      this.#waiters.delete(waiter)
      waiter.resolve(page)
    }
  }

  async #readNow(position: LogPosition): Promise<RevocationPage> {
    const reply = await this.#link.command('XREAD', ['COUNT', pageSize, 'STREAMS', this.#name, position])
    return toPage(readEntries(reply), position)
  }

  async #readBlocking(position: LogPosition): Promise<Entry[]> {
    const args = ['COUNT', pageSize, 'BLOCK', blockMs, 'STREAMS', this.#name, position]
    return readEntries(await this.#tail.command('XREAD', args, blockMs + this.#tail.deadlineMs))
  }

  async #append(revocations: readonly Revocation[]): Promise<void> {
    const entries = revocations.flatMap(({ sid, sub, reason, at }): Argument[] => [sid, sub, reason, at])
    await this.#link.run(scripts.publish, [this.#name], [this.#clock?.() ?? '', this.#keepMs, ...entries])
  }

  async #publishBacklog(): Promise<void> {
    while (this.#backlog.length > 0 && !this.#isClosed) {
      const batch = this.#backlog.slice(0, 100)
      try {
        await this.#append(batch)
        this.#backlog.splice(0, batch.length)
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        await delay(publishAgainMs, undefined, { ref: false })
      }
    }
  }
}

interface Entry {
  position: LogPosition
  revocation: Revocation
}

// [[stream, [[position, [name, value, ...]], ...]]], or null when there is nothing.
function readEntries(reply: unknown): Entry[] {
  // Boundary: XREAD of one stream; publish in lua/session.lua writes its entries.
  const streams = reply as [Buffer, [Buffer, Buffer[]][]][] | null
  return (streams?.[0]?.[1] ?? []).map(([position, flat]) => ({
    position: position.toString(),
    revocation: readRevocation(flat.map(String)),
  }))
}

function readRevocation([, sid = '', , sub = '', , reason, , at]: readonly string[]): Revocation {
  // Boundary: the reason was an EndReason when it was written.
  return { kind: 'session', sid, sub, at: Number(at), reason: reason as EndReason }
}

function toPage(entries: readonly Entry[], otherwise: LogPosition): RevocationPage {
  const revocations = entries.map(({ revocation }) => revocation)
  return { revocations, position: entries.at(-1)?.position ?? otherwise }
}

// XREAD reads what is later than a position: the last possible one of the millisecond before.
function positionBefore(sinceMs: number): LogPosition {
  return sinceMs < 1 ? '0-0' : `${Math.ceil(sinceMs) - 1}-18446744073709551615`
}

function assertPosition(position: LogPosition): LogPosition {
  if (!/^\d{1,15}-\d{1,20}$/.test(position)) throw new Error(`'${position}' is not a position of this revocation log`)
  return position
}

function earliest(waiters: ReadonlySet<Waiter>): LogPosition {
  const positions = [...waiters].map(({ position }) => position)
  return positions.reduce((first, position) => (isLater(first, position) ? position : first))
}

function isLater(a: LogPosition, b: LogPosition): boolean {
  const [[aMs, aSequence], [bMs, bSequence]] = [parse(a), parse(b)]
  return aMs === bMs ? aSequence > bSequence : aMs > bMs
}

function parse(position: LogPosition): [bigint, bigint] {
  const [ms = '0', sequence = '0'] = position.split('-')
  return [BigInt(ms), BigInt(sequence)]
}
