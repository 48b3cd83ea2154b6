// The file of the embedded store: opening it, its transactions, and what its errors mean. SQLite works synchronously, so a
// transaction here is never interleaved with another of this process; it must stay short.
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { StoreUnavailable } from '../port/store.ts'
import { type MeasuredVerb, VerbLatency } from '../verb-latency.ts'
import { keepPrivate, StoreFiles } from './file.ts'
import { isSound, prepareSchema, rewrite } from './schema.ts'

// How long a verb waits for another process (the CLI) to finish its transaction. The event loop stands still meanwhile, and
// with it everything that is forwarded; so once one has waited in vain, none waits any more until the lock was free again.
const busyTimeoutMs = 300

/** The name that stands for a database without a file. */
export const inMemory = ':memory:'

/**
 * How far a transaction has come when it is answered.
 * `NORMAL`: written to the operating system; survives the death of the process (kill -9), not a power cut.
 * `FULL`: on the disk (fsync of the write-ahead log, and with it of everything committed before).
 */
type Durability = 'NORMAL' | 'FULL'

/** One connection to the store's file. Every statement runs inside `read`, `write` or `writeDurably`. */
export class Database {
  /** Of the verbs that name themselves. */
  readonly latency = new VerbLatency()
  readonly #connection: DatabaseSync
  #durability: Durability | undefined
  readonly #files: StoreFiles | undefined
  #isLocked = false
  #hasFailed = false
  #fault: string | undefined

  /**
   * @param file path, or `:memory:`; the folder is made when missing
   * @param isToServe it is looked through for damage, some seconds a gigabyte, before anything is answered from it
   * @throws StoreUnavailable when the file cannot be opened; Error when it is not a sound file of this version of the store
   */
  constructor(file: string, isToServe = false) {
    this.#connection = open(file, isToServe)
    this.#files = file === inMemory ? undefined : new StoreFiles(file)
  }

  /** Prepares a statement once, to be run inside `read` or `write`. */
  prepare(sql: string): StatementSync {
    return this.#connection.prepare(sql)
  }

  /**
   * Runs reading statements. Each sees its own snapshot: a second process may write between two of them.
   * @throws StoreUnavailable when SQLite cannot answer
   */
  read<T>(body: () => T, verb?: MeasuredVerb): T {
    const startedAt = performance.now()
    try {
      this.#requireSound()
      return body()
    } catch (error) {
      throw this.#translate(error)
    } finally {
      this.latency.note(verb, startedAt)
    }
  }

  /**
   * Runs `body` in one transaction that survives kill -9 but not, for its last moments, a power cut; when
   * `mustBeDurable` says so of its result, the transaction is taken back and `body` runs again, as `writeDurably` does.
   * A lost rotation leaves the client one generation ahead of the store; a lost revocation would let a thief back in.
   * @param body must touch nothing but the database: it may run twice
   * @throws StoreUnavailable when SQLite cannot answer; nothing has been written then
   */
  write<T>(body: () => T, mustBeDurable: (result: T) => boolean, verb?: MeasuredVerb): T {
    const startedAt = performance.now()
    try {
      const quick = this.#transaction('NORMAL', body, (result) => !mustBeDurable(result))
      return quick.committed ? quick.result : this.writeDurably(body)
    } finally {
      this.latency.note(verb, startedAt)
    }
  }

  /**
   * Runs `body` in one transaction that is on the disk when this returns: for everything that must not be undone by a
   * power cut after it was answered. A transaction that changes nothing costs no fsync.
   * @throws StoreUnavailable when SQLite cannot answer; nothing has been written then
   */
  writeDurably<T>(body: () => T, verb?: MeasuredVerb): T {
    const startedAt = performance.now()
    try {
      return this.#transaction('FULL', body, () => true).result
    } finally {
      this.latency.note(verb, startedAt)
    }
  }

  /**
   * Takes and gives back the write lock: a file that can be read but not written serves nobody. After a failure it writes
   * too, until that has succeeded: on a full disk everything but a write goes well.
   * @throws StoreUnavailable when nothing can be written now
   */
  prove(): void {
    const rewriteIfDoubtful = () => this.#hasFailed && rewrite(this.#connection)
    this.#transaction('NORMAL', rewriteIfDoubtful, () => true)
    this.#hasFailed = false
  }

  /**
   * Looks whether the files in the folder are still those that are open. While they are not, nothing is read or written.
   * @returns what is wrong, as the end of a sentence
   */
  lookAtFiles(): string | undefined {
    this.#fault = this.#files?.fault()
    return this.#fault
  }

  /**
   * Writes the log of the latest changes into the database and empties it, when it has grown: SQLite does so by itself only
   * when nobody reads from an earlier state. It waits for nobody.
   * @returns whether it is as short as it should be now
   */
  shortenLog(): boolean {
    if (!this.#files || this.#fault !== undefined || this.#files.logBytes <= longLogBytes) return true
    this.#connection.exec('PRAGMA busy_timeout = 0')
    try {
      this.#connection.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      if (asUnavailable(error) === undefined) throw error
    } finally {
      this.#connection.exec(`PRAGMA busy_timeout = ${this.#isLocked ? 0 : busyTimeoutMs}`)
    }
    return this.#files.logBytes <= longLogBytes
  }

  /** Closes the file. Idempotent; every later call throws StoreUnavailable. */
  close(): void {
    if (this.#connection.isOpen) this.#connection.close()
  }

  #transaction<T>(durability: Durability, body: () => T, accept: (result: T) => boolean) {
    try {
      this.lookAtFiles()
      this.#requireSound()
      this.#setDurability(durability)
      // IMMEDIATE takes the write lock first, so what is read inside is what is decided upon, whoever else has the file open.
      this.#connection.exec('BEGIN IMMEDIATE')
      this.#noteLocked(false)
      const result = body()
      const committed = accept(result)
      this.#connection.exec(committed ? 'COMMIT' : 'ROLLBACK')
      return { committed, result }
    } catch (error) {
      this.#hasFailed = true
      this.#rollBack()
      throw this.#translate(error)
    }
  }

  // SQLite would go on with the file that it has open, which nobody finds again.
  #requireSound(): void {
    if (this.#fault !== undefined) throw new StoreUnavailable(`${this.#fault}: nothing is kept until it is back`)
  }

  // SQLite forbids this pragma inside a transaction, so it goes before BEGIN.
  #setDurability(durability: Durability): void {
    if (this.#durability === durability) return
    this.#connection.exec(`PRAGMA synchronous = ${durability}`)
    this.#durability = durability
  }

  #noteLocked(isLocked: boolean): void {
    if (this.#isLocked === isLocked) return
    this.#isLocked = isLocked
    this.#connection.exec(`PRAGMA busy_timeout = ${isLocked ? 0 : busyTimeoutMs}`)
  }

  // A full disk or a failing one may have rolled back already; the error that brought us here is the one to report.
  #rollBack(): void {
    try {
      if (this.#connection.isOpen && this.#connection.isTransaction) this.#connection.exec('ROLLBACK')
    } catch {
      // The connection is beyond help: the next verb meets the same error and reports it.
    }
  }

  #translate(error: unknown): unknown {
    if (!this.#connection.isOpen) return new StoreUnavailable('the store is closed', { cause: error })
    if (resultCodeOf(error) === busy) this.#noteLocked(true)
    return asUnavailable(error) ?? error
  }
}

/** A log that has grown is cut to this when it is begun anew: what an ordinary one has. */
const keptLogBytes = 8 * 1024 * 1024
/** From here on an operator should know. */
const longLogBytes = 64 * 1024 * 1024

function open(file: string, isToServe: boolean): DatabaseSync {
  let connection: DatabaseSync | undefined
  try {
    if (file !== inMemory) keepPrivate(file)
    connection = new DatabaseSync(file)
    connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
    prepareSchema(connection, file, isToServe)
    connection.exec(`PRAGMA journal_size_limit = ${keptLogBytes}`)
    if (isToServe && !isSound(connection)) throw new Error(damaged(file, 'pages do not fit together'))
    return connection
  } catch (error) {
    connection?.close()
    if (error instanceof Error && damageCodes.has(resultCodeOf(error) ?? 0))
      throw new Error(damaged(file, error.message))
    throw asUnavailable(error, `cannot open the store ${file}: `) ?? error
  }
}

// Result codes of SQLite that mean a mistake in this program; all others (busy, full, io, corrupt, read-only, ...) mean that
// the store cannot answer now. https://sqlite.org/rescode.html
const programmingErrors = new Set([
  1, // SQLITE_ERROR: bad SQL
  18, // SQLITE_TOOBIG
  19, // SQLITE_CONSTRAINT
  20, // SQLITE_MISMATCH
  21, // SQLITE_MISUSE
  25, // SQLITE_RANGE
])

function asUnavailable(error: unknown, prefix = ''): StoreUnavailable | undefined {
  if (!(error instanceof Error) || !isOutage(error)) return undefined
  return new StoreUnavailable(prefix + error.message, { cause: error })
}

function isOutage(error: Error): boolean {
  const code = resultCodeOf(error)
  return code === undefined ? 'syscall' in error : !programmingErrors.has(code)
}

// SQLITE_CORRUPT and SQLITE_NOTADB.
const damageCodes = new Set([11, 26])

function damaged(file: string, why: string): string {
  return (
    `${file} is damaged (${why}): keep it, and put a copy in its place, without the files ${file}-wal and ${file}-shm that lie there ` +
    'now (docs/operations.md, Backup and restore)'
  )
}

// SQLITE_BUSY: another process holds the lock that is needed.
const busy = 5

// The low byte is the primary result code; the rest says more about it.
function resultCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}
