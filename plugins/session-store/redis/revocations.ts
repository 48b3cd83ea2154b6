// The revocation log in Redis: a Stream, trimmed by age, followed on a connection of its own. It must never say "nothing new"
// when it could not look: a node that believes it would let the revoked through.
//
// One server and Sentinel: the script that ends a session appends to the log in the same step. In a Cluster a script may
// touch one slot only, and the log lies in another than the sessions: there the verb's answer carries what ended, and
// `publish` appends it before the verb answers. Between the two the session is already dead for every refresh on every node.
// If appending fails the verb fails (503) and this node goes on trying in the background; and whoever ends or presents the
// session again within `keepMs` has its tombstone published again, if the log does not have it. A node that dies in that very
// moment, with nobody coming again, leaves the others to honour the session's access tokens for the rest of their life.
import { setTimeout as delay } from 'node:timers/promises'
import { type NotBefore, noNotBefore, notBeforeKeptMs } from '../port/not-before.ts'
import { hasNews, toEntry, toPage } from '../port/revocation-entry.ts'
import {
  type BareRevocation,
  type EndReason,
  type LogPosition,
  type RevocationEntry,
  type RevocationPage,
  type Session,
  StoreUnavailable,
} from '../port/store.ts'
import type { Argument, RedisLink } from './connection/link.ts'
import { keyOf } from './failover/recent-revocations.ts'
import type { RedisNames } from './key-names.ts'
import {
  type Entry,
  isFromTime,
  isLater,
  pageOf,
  positionBefore,
  readEntries,
  readPosition,
  userKind,
} from './log-entries.ts'
import { type Script, scripts } from './scripts.ts'
import { type RememberedUser, rememberUser } from './users/record.ts'

/** Most entries of one page; a reader that gets a full page comes again at once. */
const pageSize = 1000
// One blocking read waits so long at most: a dead connection is noticed, and a closing store is not waited for.
const blockMs = 1000
const publishAgainMs = 250
const backlogLimit = 10_000
/** What is left of a session is kept for so long beyond its absolute expiry; `margin_ms` of session.lua. */
const recordMarginMs = 3_600_000

interface Waiter {
  position: LogPosition
  resolve: (page: RevocationPage) => void
  reject: (error: unknown) => void
}

export class RedisRevocations {
  readonly #link: RedisLink
  readonly #tail: RedisLink
  readonly #names: RedisNames
  readonly #keepMs: number
  readonly #clock: (() => number) | undefined
  readonly #waiters = new Set<Waiter>()
  readonly #backlog: RevocationEntry[] = []
  #onUser: (user: RememberedUser) => void = () => undefined
  #isFollowing = false
  /** How often the log was started over: a position given out before is not vouched for any more. */
  #startsOver = 0
  #isClosed = false

  /**
   * @param link for everything that does not wait
   * @param tail for the blocking read; nothing else may use it
   * @param names of the stream and of the not-before
   * @param keepMs how old entries become
   * @param clock of a test; the store's own otherwise
   */
  constructor(link: RedisLink, tail: RedisLink, names: RedisNames, keepMs: number, clock: (() => number) | undefined) {
    this.#link = link
    this.#tail = tail
    this.#names = names
    this.#keepMs = keepMs
    this.#clock = clock
  }

  /** See `SessionStore.readRevocations`. */
  async read(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    const startsOver = this.#startsOver
    const asked = typeof after === 'string' ? readPosition(after) : { place: positionBefore(after.sinceMs), startsOver }
    if (asked.startsOver !== startsOver) return toPage([], asked.place, true)
    const page = await this.#read(asked.place, waitMs)
    // Several readers may follow one store: each learns by its own position that it has to load again.
    return startsOver === 0 ? page : { ...page, position: `${page.position}@${startsOver}` }
  }

  async #read(position: LogPosition, waitMs: number): Promise<RevocationPage> {
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

  /** Calls `listener` with each change of a user that is read in the log: a place of it that readers of revocations never see. */
  onUser(listener: (user: RememberedUser) => void): void {
    this.#onUser = listener
  }

  /** Lets all nodes know how a user's record is now. */
  async publishUser({ sub, fields }: RememberedUser): Promise<void> {
    await this.#run(scripts.publish, [this.#names.revocations], [userKind, sub, JSON.stringify(fields), '', ''])
  }

  /** Appends what a verb ended, in a Cluster. Fails when it cannot, and goes on trying. */
  async publish(revocations: readonly RevocationEntry[]): Promise<void> {
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

  /** See `SessionStore.endEveryone`: the not-before and its entry, in one step. */
  async endEveryone(reason: EndReason): Promise<{ at: number }> {
    const { revocations, notBefore } = this.#names
    return { at: await this.#run(scripts.endEveryone, [revocations, notBefore], [reason, notBeforeKeptMs]) }
  }

  /** Notes when a session began, for `endEveryone`; in a Cluster, where the script that starts it cannot; as `note_beginning` there. */
  async noteBeginning({ createdAt, absoluteExpirySeconds }: Session): Promise<void> {
    const { latest } = this.#names
    await Promise.all([
      this.#link.command('ZADD', [latest, 'GT', createdAt, 'session']),
      this.#link.command('PEXPIRE', [latest, absoluteExpirySeconds * 1000 + recordMarginMs - createdAt]),
    ])
  }

  /** See `SessionStore.revoke`. */
  async revoke(revocation: BareRevocation): Promise<RevocationEntry> {
    const { kind, name, sub, reason } = toEntry({ ...revocation, at: 0 })
    const entry = [kind, name, sub, reason, '']
    return { ...revocation, at: await this.#run(scripts.publish, [this.#names.revocations], entry) }
  }

  /** The not-before, for a Cluster, where the scripts of sessions cannot reach it. */
  async readNotBefore(): Promise<NotBefore> {
    const text = String((await this.#link.command('GET', [this.#names.notBefore])) ?? '')
    const [at, reason] = text.split(' ')
    // Boundary: end-everyone.lua writes a time and the reason it was given.
    return at && reason ? { at: Number(at), reason: reason as EndReason } : noNotBefore
  }

  /**
   * The keys of all entries behind a place, as the recent revocations tells them apart, and where the log ends.
   * @param after an earlier call's end, or a time in ms
   */
  async readKeys(after: LogPosition | { sinceMs: number }): Promise<{ keys: Set<string>; position: LogPosition }> {
    const keys = new Set<string>()
    for (let position = typeof after === 'string' ? after : positionBefore(after.sinceMs); ; ) {
      const page = await this.#readNow(position)
      for (const revocation of page.revocations) keys.add(keyOf(revocation))
      if (page.position === position) return { keys, position }
      position = page.position
    }
  }

  /**
   * Tells readers to load again: a new primary may lack entries, and with a clock that is behind it puts new ones before the
   * places that were given out.
   */
  startOver(): void {
    this.#startsOver += 1
    for (const { position, resolve } of this.#waiters) resolve(toPage([], position, true))
  }

  /** Releases everyone who waits with an empty page. */
  close(): void {
    this.#isClosed = true
    for (const { position, resolve } of this.#waiters) resolve(toPage([], position))
  }

  // The log as it is now, for one who waits: an empty page ends the wait only when its time is over.
  async #look({ position, resolve, reject }: Waiter, isOver: boolean): Promise<void> {
    try {
      const page = await this.#readNow(position)
      if (isOver || hasNews(page)) resolve(page)
    } catch (error) {
      if (this.#isClosed) resolve(toPage([], position))
      else reject(error)
    }
  }

  // One blocking read at a time, for all who wait, from the earliest place any of them stands at.
  async #follow(): Promise<void> {
    if (this.#isFollowing) return
    this.#isFollowing = true
    try {
      while (this.#waiters.size > 0) this.#serve(this.#heard(await this.#readBlocking(earliest(this.#waiters))))
    } catch (error) {
      for (const { reject } of this.#waiters) if (!this.#isClosed) reject(error)
    } finally {
      this.#isFollowing = false
    }
  }

  #serve(entries: readonly Entry[]): void {
    for (const waiter of this.#waiters) {
      const page = pageOf(
        entries.filter(({ position }) => isLater(position, waiter.position)),
        waiter.position,
      )
      // What is no news to a reader is behind it all the same.
      waiter.position = page.position
      if (!hasNews(page)) continue
      this.#waiters.delete(waiter)
      waiter.resolve(page)
    }
  }

  // That the entry of the position is still there afterwards vouches that nothing behind it had been trimmed, and that this is
  // the log that gave the position: not one that was emptied, nor a new primary's that lacks its end.
  async #readNow(position: LogPosition): Promise<RevocationPage> {
    const [reply, isVouchedFor] = await Promise.all([
      this.#link.command('XREAD', ['COUNT', pageSize, 'STREAMS', this.#names.revocations, position]),
      isFromTime(position) || this.#holds(position),
    ])
    return pageOf(this.#heard(readEntries(reply)), position, !isVouchedFor)
  }

  #heard(entries: Entry[]): Entry[] {
    for (const { kind, name, sub } of entries) {
      if (kind === userKind) this.#onUser(rememberUser(name, JSON.parse(sub)))
    }
    return entries
  }

  async #holds(position: LogPosition): Promise<boolean> {
    const args = [this.#names.revocations, position, position, 'COUNT', 1]
    // Boundary: XREVRANGE answers a list.
    return ((await this.#link.command('XREVRANGE', args)) as unknown[]).length > 0
  }

  async #readBlocking(position: LogPosition): Promise<Entry[]> {
    const args = ['COUNT', pageSize, 'BLOCK', blockMs, 'STREAMS', this.#names.revocations, position]
    return readEntries(await this.#tail.command('XREAD', args, blockMs + this.#tail.deadlineMs))
  }

  async #append(revocations: readonly RevocationEntry[]): Promise<void> {
    const entries = revocations.map(toEntry).flatMap(({ kind, name, sub, reason, at }) => [kind, name, sub, reason, at])
    await this.#run(scripts.publish, [this.#names.revocations], entries)
  }

  // A script of the log, whose response is a time.
  async #run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<number> {
    return Number(await this.#link.run(script, keys, [this.#clock?.() ?? '', this.#keepMs, ...args]))
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

function earliest(waiters: ReadonlySet<Waiter>): LogPosition {
  const positions = [...waiters].map(({ position }) => position)
  return positions.reduce((first, position) => (isLater(first, position) ? position : first))
}
