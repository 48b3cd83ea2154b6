// The embedded store: one SQLite file, for one gateway process (the CLI may open the file beside it). Called by whoever wires
// the gateway or the CLI. It measures nothing and logs nothing; what it cannot do it says by throwing StoreUnavailable.
import { Database, inMemory } from './embedded-database.ts'
import { EmbeddedEvents } from './embedded-events.ts'
import { EmbeddedKeys } from './embedded-keys.ts'
import { RevocationLog, revocationLogAgeMs } from './embedded-revocations.ts'
import { EmbeddedSessions } from './embedded-sessions.ts'
import { EmbeddedTries } from './embedded-tries.ts'
import { EmbeddedUsers } from './embedded-users.ts'
import { type Store, StoreUnavailable } from './store.ts'
import { StoreCondition } from './store-condition.ts'

// Rows deleted in one go: a few milliseconds of the event loop. After a full batch the next one follows soon.
const purgeBatchRows = 500
const purgeAgainMs = 100

export interface EmbeddedOptions {
  /** Path of the database, or `:memory:`. Its folder is made (mode 0700) when missing; the file has mode 0600. */
  file: string
  /**
   * The store's clock, whole ms since 1970; default `Date.now`. It is not made monotonic: set back, it lengthens the grace, the
   * idle time and the life of what was written before by as much, and never brings back a session that ended.
   */
  clock?: () => number
  /** How often rows whose time has passed are deleted, ms; default 60 s. */
  purgeEveryMs?: number
}

/**
 * Opens the store, making the file and its tables when they are missing.
 * @throws StoreUnavailable when the file cannot be opened; Error when a newer version or another program wrote it
 */
export function openEmbeddedStore(options: EmbeddedOptions): Store {
  return new EmbeddedStore(options)
}

class EmbeddedStore implements Store {
  readonly description: string
  readonly sessions: EmbeddedSessions
  readonly users: EmbeddedUsers
  readonly keys: EmbeddedKeys
  readonly tries: EmbeddedTries
  readonly events: EmbeddedEvents
  readonly condition = new StoreCondition()
  readonly #database: Database
  readonly #log: RevocationLog
  readonly #clock: () => number
  readonly #purgeEveryMs: number
  #purgeTimer: NodeJS.Timeout | undefined

  constructor({ file, clock = Date.now, purgeEveryMs = 60_000 }: EmbeddedOptions) {
    this.description = `embedded (${file === inMemory ? 'in memory' : file})`
    this.#clock = clock
    this.#purgeEveryMs = purgeEveryMs
    this.#database = new Database(file)
    this.#log = new RevocationLog(this.#database)
    this.sessions = new EmbeddedSessions(this.#database, this.#log, clock)
    this.users = new EmbeddedUsers(this.#database, clock)
    this.keys = new EmbeddedKeys(this.#database)
    this.tries = new EmbeddedTries(clock)
    this.events = new EmbeddedEvents(this.#database)
    this.#schedulePurge(purgeEveryMs)
  }

  async now(): Promise<number> {
    return this.#clock()
  }

  async ping(): Promise<void> {
    this.#database.prove()
  }

  async close(): Promise<void> {
    clearTimeout(this.#purgeTimer)
    this.#log.close()
    this.#database.close()
  }

  #schedulePurge(afterMs: number): void {
    this.#purgeTimer = setTimeout(() => this.#purge(), afterMs).unref()
  }

  #purge(): void {
    const isUnfinished = this.#purgeBatch()
    this.#schedulePurge(isUnfinished ? Math.min(purgeAgainMs, this.#purgeEveryMs) : this.#purgeEveryMs)
  }

  #purgeBatch(): boolean {
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
