// The files of the embedded store as they lie in their folder: whether they are still the ones that were opened, who may serve from
// them, and whether there were users before. SQLite goes on with a file that was deleted or moved, and all it writes is lost.
import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** How long a gateway that starts waits for the one before it to end, ms. */
const lockTimeoutMs = 2_000

/**
 * Makes a file for this user only, and its folder where there is none. SQLite gives its -wal and -shm files the mode of the
 * database file, so that must be private before SQLite opens it. A folder that exists already is left as it is: it may hold other
 * people's files.
 */
export function keepPrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const descriptor = openSync(file, 'a', 0o600)
  try {
    if ((fstatSync(descriptor).mode & 0o077) !== 0) fchmodSync(descriptor, 0o600)
  } finally {
    closeSync(descriptor)
  }
}

interface Known {
  dev: number
  ino: number
}

/** The database and its two companions, remembered as they were when they were opened. */
export class StoreFiles {
  readonly #file: string
  readonly #known: ReadonlyMap<string, Known>
  #largestBytes: number

  /** @param file path of a database that is open in write-ahead mode */
  constructor(file: string) {
    this.#file = file
    const found = ['', '-wal', '-shm'].flatMap((end) => {
      const stats = statOf(file + end)
      return stats ? [[file + end, { dev: stats.dev, ino: stats.ino }] as const] : []
    })
    this.#known = new Map(found)
    this.#largestBytes = statOf(file)?.size ?? 0
  }

  /**
   * Looks whether the files are still those that were opened: some microseconds.
   * @returns the end of a sentence that begins with a path, with it; undefined when all is well
   */
  fault(): string | undefined {
    for (const [path, known] of this.#known) {
      const stats = statOf(path)
      if (stats === undefined) return `${path} is gone: deleted, or its folder was moved`
      if (stats.ino !== known.ino || stats.dev !== known.dev) return `${path} was replaced by another file`
      if (path === this.#file && this.#isCut(stats)) return `${path} was cut to ${stats.size} bytes`
    }
    return undefined
  }

  /** Bytes of the write-ahead log. */
  get logBytes(): number {
    return statOf(`${this.#file}-wal`)?.size ?? 0
  }

  // It only grows, unless an operator has it vacuumed: then its own header agrees with its size.
  #isCut({ size }: Stats): boolean {
    if (size < this.#largestBytes && size < bytesByHeader(this.#file)) return true
    this.#largestBytes = size
    return false
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

// https://sqlite.org/fileformat.html section 1.3: page size at 16 (1 stands for 65,536), pages of the database at 28.
function bytesByHeader(file: string): number {
  const header = Buffer.alloc(100)
  const descriptor = openSync(file, 'r')
  try {
    if (readSync(descriptor, header, 0, 100, 0) < 100) return Number.POSITIVE_INFINITY
  } finally {
    closeSync(descriptor)
  }
  const pageBytes = header.readUInt16BE(16)
  return (pageBytes === 1 ? 65_536 : pageBytes) * header.readUInt32BE(28)
}

/**
 * Takes the right to serve from a store, for one process at a time; the command line works beside it. It ends with the process,
 * however that ends: the lock is the operating system's.
 * @param file path of the database; the lock lies beside it
 * @returns gives it back
 * @throws Error when another process has it; the message says what to do
 */
export function takeLock(file: string): () => void {
  keepPrivate(`${file}.lock`)
  const lock = new DatabaseSync(`${file}.lock`)
  try {
    lock.exec(`PRAGMA busy_timeout = ${lockTimeoutMs}`)
    lock.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    lock.close()
    // SQLITE_BUSY
    if (!(cause instanceof Error && 'errcode' in cause && cause.errcode === 5)) throw cause
    throw new Error(
      `another gateway serves from ${file}: stop it, or point CARDEA_DATA_DIR at another folder; several gateways of one kind need Redis`,
      { cause },
    )
  }
  return () => lock.isOpen && lock.close()
}

const stepText = `This store has users. While this file is here, a store without any is taken for one that was lost, and no
first administrator is made. Remove it only to begin anew.
`

/** The mark beside a store that it has, or had, users. */
export class UsersMarker {
  readonly #path: string

  /** @param file path of the database */
  constructor(file: string) {
    this.#path = `${file}.users`
  }

  /** Sets the mark, where it is missing. A disk that is full now is asked again at the next start. */
  set(): void {
    try {
      if (!existsSync(this.#path)) writeFileSync(this.#path, stepText, { mode: 0o600 })
    } catch {
      // The users themselves are on the disk, or whoever adds them is told.
    }
  }

  /** @throws Error when there were users; the message says what to do */
  requireUnset(file: string): void {
    if (!existsSync(this.#path)) return
    throw new Error(
      `${file} has no users, but there were some: it was lost or replaced. Restore a copy of it (docs/operations.md, Backup and ` +
        `restore); or, to begin anew with a new first administrator, remove ${this.#path}`,
    )
  }
}
