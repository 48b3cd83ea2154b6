// The revocation log of the embedded store, and those who wait for its next entry. Entries are appended inside the
// transaction that ends the session, so the log and the tombstones never disagree.
import type { StatementSync } from 'node:sqlite'
import { hasNews, type RevocationFields, toEntry, toPage } from '../port/revocation-entry.ts'
import type { LogPosition, RevocationEntry, RevocationPage } from '../port/store.ts'
import type { Database } from './database.ts'

/** Entries of the log are kept this long: longer than the longest-lived access token (a day) that they could refuse. */
export const revocationLogAgeMs = 2 * 24 * 60 * 60 * 1000

/** Most entries of one page; a reader that gets a full page comes again at once. */
const revocationPageSize = 1000

// How soon an entry written by another process (the CLI) is seen. Entries of this process wake their readers at once.
const otherWritersPollMs = 25

interface Waiter {
  position: LogPosition
  timer: NodeJS.Timeout
  resolve: (page: RevocationPage) => void
  reject: (error: unknown) => void
}

/** The ordered, trimmed log. Positions are the row numbers, written as text. */
export class RevocationLog {
  readonly #database: Database
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #waiters = new Set<Waiter>()
  #poll: NodeJS.Timeout | undefined
  #seenVersion = 0

  constructor(database: Database) {
    this.#database = database
    this.#statements = prepareStatements(database)
  }

  /** Adds an entry; inside a transaction. `wake` must follow its commit. */
  append(revocation: RevocationEntry): void {
    const { kind, name, sub, reason, at } = toEntry(revocation)
    this.#statements.append.run(kind, name, sub, reason, at)
  }

  /** Shows the waiting readers what was committed. Never throws: a reader's trouble is the reader's. */
  wake(): void {
    for (const waiter of this.#waiters) this.#serve(waiter)
  }

  /** See `SessionStore.readRevocations`. */
  read(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage> {
    // What another process writes after this line is noticed by the poll, what it wrote before by the query.
    if (this.#waiters.size === 0) this.#seenVersion = this.#readVersion()
    const page = typeof after === 'string' ? this.#pageAfter(after) : this.#pageSince(after.sinceMs)
    if (hasNews(page) || waitMs <= 0) return Promise.resolve(page)
    return new Promise((resolve, reject) => this.#wait(page.position, waitMs, resolve, reject))
  }

  /** Deletes up to `limit` entries older than `beforeMs`; inside a transaction. @returns how many */
  purge(beforeMs: number, limit: number): number {
    return Number(this.#statements.purge.run(beforeMs, limit).changes)
  }

  /** Releases everyone who waits with an empty page. */
  close(): void {
    for (const waiter of this.#waiters) this.#release(waiter, toPage([], waiter.position))
  }

  #pageAfter(position: LogPosition): RevocationPage {
    const after = parsePosition(position)
    return this.#database.read(() => {
      // The end first, as below.
      const end = this.#end()
      const rows = readRows(this.#statements.after.all(after, revocationPageSize))
      // Positions have no holes: the row behind is the next one. An end before the position: the file is a copy from earlier.
      const hasGap = rows[0] === undefined ? end !== after : rows[0].position !== after + 1
      return toPage(rows, lastOf(rows) ?? position, hasGap)
    })
  }

  #end(): number {
    return Number(this.#statements.end.get()?.['seq'] ?? 0)
  }

  #pageSince(sinceMs: number): RevocationPage {
    return this.#database.read(() => {
      // The end first, then the entries: one that another process adds in between comes with the next page instead of never.
      const end = String(this.#end())
      const rows = readRows(this.#statements.since.all(sinceMs, revocationPageSize))
      return toPage(rows, lastOf(rows) ?? end)
    })
  }

  #wait(position: LogPosition, waitMs: number, resolve: Waiter['resolve'], reject: Waiter['reject']): void {
    const timer = setTimeout(() => this.#release(waiter, toPage([], position)), waitMs).unref()
    const waiter: Waiter = { position, timer, resolve, reject }
    this.#waiters.add(waiter)
    this.#poll ??= setInterval(() => this.#lookForOtherWriters(), otherWritersPollMs).unref()
  }

  #serve(waiter: Waiter): void {
    try {
      const page = this.#pageAfter(waiter.position)
      if (hasNews(page)) this.#release(waiter, page)
    } catch (error) {
      this.#forget(waiter)
      waiter.reject(error)
    }
  }

  #release(waiter: Waiter, page: RevocationPage): void {
    this.#forget(waiter)
    waiter.resolve(page)
  }

  #forget(waiter: Waiter): void {
    clearTimeout(waiter.timer)
    this.#waiters.delete(waiter)
    if (this.#waiters.size > 0) return
    clearInterval(this.#poll)
    this.#poll = undefined
  }

  #lookForOtherWriters(): void {
    try {
      const version = this.#readVersion()
      if (version === this.#seenVersion) return
      this.#seenVersion = version
    } catch {
      // The readers meet the same trouble in `wake` and are told of it.
    }
    this.wake()
  }

  // Changes when another connection has committed to the file; our own commits leave it as it is.
  #readVersion(): number {
    return this.#database.read(() => Number(this.#statements.version.get()?.['data_version']))
  }
}

function prepareStatements(database: Database) {
  return {
    append: database.prepare('INSERT INTO revocations (kind, name, sub, reason, at) VALUES (?, ?, ?, ?, ?)'),
    after: database.prepare('SELECT * FROM revocations WHERE position > ? ORDER BY position LIMIT ?'),
    since: database.prepare('SELECT * FROM revocations WHERE at >= ? ORDER BY position LIMIT ?'),
    end: database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'revocations'"),
    purge: database.prepare(
      'DELETE FROM revocations WHERE position IN (SELECT position FROM revocations WHERE at < ? LIMIT ?)',
    ),
    version: database.prepare('PRAGMA data_version'),
  }
}

type Row = RevocationFields & { position: number }

function readRows(rows: ReturnType<StatementSync['all']>): Row[] {
  // Boundary: the columns of a STRICT table that only this program writes.
  return rows as unknown as Row[]
}

function lastOf(rows: readonly Row[]): LogPosition | undefined {
  const last = rows.at(-1)
  return last && String(last.position)
}

function parsePosition(position: LogPosition): number {
  if (!/^\d{1,15}$/.test(position)) throw new Error(`'${position}' is not a position of this revocation log`)
  return Number(position)
}
