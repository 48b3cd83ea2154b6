// The embedded store: one SQLite file, for one gateway process (the CLI may open the file beside it). It measures nothing and
// logs nothing; what it cannot do it says by throwing StoreUnavailable.
import { ClockWatch, describeJump, monotonicOf } from '../../clocks/clock-watch.ts'
import { StoreCondition } from '../port/condition.ts'
import { type Store, StoreUnavailable } from '../port/store.ts'
import type { VerbLatency } from '../verb-latency.ts'
import { EmbeddedAttempts } from './attempts.ts'
import { Database, inMemory } from './database.ts'
import { EmbeddedEvents } from './events.ts'
import { takeLock, UsersMarker } from './file.ts'
import { EmbeddedKeys } from './keys.ts'
import { RevocationLog, revocationLogAgeMs } from './revocations.ts'
import { EmbeddedSessions } from './sessions.ts'
import { EmbeddedUsers } from './users.ts'

// Rows deleted in one go: a few milliseconds of the event loop. After a full batch the next one follows soon.
const purgeBatchRows = 500
const purgeAgainMs = 100
/** How often the files are looked at while nothing is written. */
const lookEveryMs = 1_000
/** Nothing is purged for so long after the clock was set, or at a start long after the store was last used. */
const holdPurgeMs = 60 * 60_000
/** A store that was not used for longer may have slept, or wake under a clock that is wrong. */
const longSilenceMs = 60 * 60_000

export interface EmbeddedOptions {
  /** Path of the database, or `:memory:`. Its folder is made (mode 0700) when missing; the file has mode 0600. */
  file: string
  /**
   * The store's clock, whole ms since 1970; default `Date.now`. It is not made monotonic: set back, it lengthens the grace, the
   * idle time and the life of what was written before by as much, and never brings back a session that ended.
   */
  clock?: () => number
  /** A clock that nobody sets, ms; default the machine's, or a given `clock`. */
  monotonic?: () => number
  /** How often rows whose time has passed are deleted, ms; default 60 s. */
  purgeEveryMs?: number
  /** For the gateway itself: no other may serve from the file meanwhile, and it is looked through for damage. */
  isToServe?: boolean
}

/**
 * Opens the store, making the file and its tables when they are missing.
 * @throws StoreUnavailable when the file cannot be opened; Error that says what to do, when it must not be used: written by a newer
 * version or another program, damaged, served from by another gateway, or without the users that were there
 */
export function openEmbeddedStore(options: EmbeddedOptions): Store {
  return new EmbeddedStore(options)
}

class EmbeddedStore implements Store {
  readonly description: string
  readonly sessions: EmbeddedSessions
  readonly users: EmbeddedUsers
  readonly keys: EmbeddedKeys
  readonly attempts: EmbeddedAttempts
  readonly events: EmbeddedEvents
  readonly condition = new StoreCondition()
  readonly latency: VerbLatency
  readonly #database: Database
  readonly #log: RevocationLog
  readonly #clock: () => number
  readonly #purgeEveryMs: number
  readonly #monotonic: () => number
  readonly #watch = new ClockWatch()
  readonly #unlock: (() => void) | undefined
  #purgeTimer: NodeJS.Timeout | undefined
  #lookTimer: NodeJS.Timeout | undefined
  #holdsPurgeUntil = Number.NEGATIVE_INFINITY

  constructor(options: EmbeddedOptions) {
    const { file, clock = Date.now, purgeEveryMs = 60_000, isToServe = false } = options
    this.description = `embedded (${file === inMemory ? 'in memory' : file})`
    this.#clock = clock
    this.#purgeEveryMs = purgeEveryMs
    this.#monotonic = options.monotonic ?? monotonicOf(clock)
    this.#unlock = isToServe && file !== inMemory ? takeLock(file) : undefined
    this.#database = this.#orRelease(() => new Database(file, isToServe))
    this.latency = this.#database.latency
    this.#log = new RevocationLog(this.#database)
    this.sessions = new EmbeddedSessions(this.#database, this.#log, clock)
    const mark = file === inMemory ? undefined : new UsersMarker(file)
    this.users = new EmbeddedUsers(this.#database, clock, () => mark?.set())
    this.#orRelease(() => mark && this.#compareWith(mark, file))
    this.keys = new EmbeddedKeys(this.#database)
    this.attempts = new EmbeddedAttempts(this.#monotonic)
    this.events = new EmbeddedEvents(this.#database)
    this.#watchClock()
    this.#schedulePurge(purgeEveryMs)
    if (file !== inMemory) this.#lookTimer = setInterval(() => this.#look(file), lookEveryMs).unref()
  }

  async now(): Promise<number> {
    return this.#clock()
  }

  async ping(): Promise<void> {
    this.#database.prove()
  }

  async close(): Promise<void> {
    clearTimeout(this.#purgeTimer)
    clearInterval(this.#lookTimer)
    this.#log.close()
    this.#database.close()
    this.#unlock?.()
  }

  // A store that cannot be opened leaves nothing behind.
  #orRelease<T>(act: () => T): T {
    try {
      return act()
    } catch (error) {
      this.#database?.close()
      this.#unlock?.()
      throw error
    }
  }

  // An empty store where there were users is one that was lost: whoever is asked for a first administrator now may be anybody.
  #compareWith(mark: UsersMarker, file: string): void {
    if (this.users.countNow() > 0) mark.set()
    else mark.requireUnset(file)
  }

  #look(file: string): void {
    const fault = this.#database.lookAtFiles()
    this.condition.note(
      'file',
      fault && `The store ${fault}. Nothing is kept until it is back: stop the gateway, and restore it.`,
    )
    const isShort = this.#database.shortenLog()
    this.condition.note('wal', isShort ? undefined : longLogSentence(file))
  }

  // Set ahead, the clock would have every live session purged. Who set it back, or was told so, has an hour.
  #watchClock(): void {
    const [now, monotonic] = [this.#clock(), this.#monotonic()]
    const jumped = this.#watch.look(now, monotonic)
    const silentMs = now - (this.events.lastSeenAt() ?? now)
    const isStart = this.#purgeTimer === undefined
    if (jumped !== 0 || (isStart && silentMs > longSilenceMs)) this.#holdsPurgeUntil = monotonic + holdPurgeMs
    if (jumped !== 0) this.condition.tell('notice', `The clock ${describeJump(jumped)}: nothing is purged for an hour.`)
  }

  #schedulePurge(afterMs: number): void {
    this.#purgeTimer = setTimeout(() => this.#purge(), afterMs).unref()
  }

  #purge(): void {
    const isUnfinished = this.#purgeBatch()
    this.#schedulePurge(isUnfinished ? Math.min(purgeAgainMs, this.#purgeEveryMs) : this.#purgeEveryMs)
  }

  #purgeBatch(): boolean {
    this.#watchClock()
    if (this.#monotonic() < this.#holdsPurgeUntil) return false
    const now = this.#clock()
    const deleteBatch = () =>
      Math.max(
        this.sessions.purge(now, purgeBatchRows),
        this.#log.purge(now - revocationLogAgeMs, purgeBatchRows),
        this.events.purge(now, purgeBatchRows),
      )
    try {
      return this.#database.write(deleteBatch, () => false) === purgeBatchRows
    } catch (error) {
      // Nothing is lost by purging later; whoever needs the store now is told by the verb that fails.
      if (error instanceof StoreUnavailable) return false
      throw error
    }
  }
}

function longLogSentence(file: string): string {
  return (
    `${file}-wal has grown and cannot be shortened: another process reads from an earlier state of the store (a copy that is being ` +
    'made, a shell that was left open). End it before the disk is full.'
  )
}
