// The tables of the embedded store and their version. Knows no verb. A change of a table means: raise `schemaVersion` and add
// the step from the version before to `migrations`.
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { activeMinuteTables, eventTables, lastingEventTable } from './event-tables.ts'
import { takeLock } from './file.ts'

// Marks the file as ours (`PRAGMA application_id`): "CARD". A database of another program is refused, not filled with our tables.
const applicationId = 0x43415244

// Step n brings a file from version n to n + 1.
const migrations = [
  `
  CREATE TABLE sessions (
    sid TEXT NOT NULL UNIQUE,
    sub TEXT NOT NULL,
    generation INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    rotatedAt TEXT NOT NULL,              -- JSON array of ms
    createdAt INTEGER NOT NULL,           -- ms
    absoluteExpirySeconds INTEGER NOT NULL,
    idleTtlSeconds INTEGER NOT NULL,
    roles TEXT NOT NULL,                  -- JSON array of strings
    scope TEXT NOT NULL,
    device TEXT NOT NULL,
    ip TEXT NOT NULL,
    amr TEXT NOT NULL,                    -- JSON array of strings
    revokedAt INTEGER,                    -- ms; set once: the row is a tombstone from then on
    endReason TEXT,
    purgeAt INTEGER NOT NULL,             -- ms; derived, kept for its index
    CHECK ((revokedAt IS NULL) = (endReason IS NULL))
  ) STRICT;
  CREATE INDEX sessionsBySubject ON sessions (sub, createdAt) WHERE revokedAt IS NULL;
  CREATE INDEX sessionsByPurge ON sessions (purgeAt);

  -- AUTOINCREMENT: a position is never given twice, even after the newest entries have been purged.
  CREATE TABLE revocations (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    sid TEXT NOT NULL,
    sub TEXT NOT NULL,
    at INTEGER NOT NULL,                  -- ms
    reason TEXT NOT NULL
  ) STRICT;
  CREATE INDEX revocationsByTime ON revocations (at);

  CREATE TABLE users (
    sub TEXT NOT NULL PRIMARY KEY,
    passwordHash TEXT NOT NULL,
    roles TEXT NOT NULL,                  -- JSON array of strings
    scope TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    createdAt INTEGER NOT NULL,           -- ms
    revision INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    use TEXT NOT NULL,
    alg TEXT NOT NULL,
    createdAt INTEGER NOT NULL,           -- ms
    activeFrom INTEGER NOT NULL,          -- ms
    sealed TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  eventTables,
  `
  -- Not only sessions are revoked: what an entry names depends on its kind (revocation-entry.ts).
  ALTER TABLE revocations RENAME COLUMN sid TO name;

  -- One row at most: every session that began before has ended. Kept for ever, being so small.
  CREATE TABLE notBefore (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL,                  -- ms
    reason TEXT NOT NULL
  ) STRICT;
  `,
  // A session of before counts as one that lives in no cookie: nothing more is demanded of it than was then.
  'ALTER TABLE sessions ADD COLUMN inCookie INTEGER NOT NULL DEFAULT 0',
  activeMinuteTables,
  lastingEventTable,
  `
  -- What a session was granted by: revision of the user's record, 0 when there was none.
  ALTER TABLE sessions ADD COLUMN userRevision INTEGER NOT NULL DEFAULT 0;
  UPDATE sessions SET userRevision = coalesce((SELECT revision FROM users WHERE users.sub = sessions.sub), 0);
  -- When all sessions of the user were ended last, ms; no later sign-in is dated before.
  ALTER TABLE users ADD COLUMN endedAt INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- The highest generation that has certainly arrived, where the file only knew whether the newest had.
  ALTER TABLE sessions ADD COLUMN provenGeneration INTEGER NOT NULL DEFAULT 0;
  UPDATE sessions SET provenGeneration = generation - 1 + delivered;
  ALTER TABLE sessions DROP COLUMN delivered;
  `,
]

/** The version of the tables that this program reads and writes (`PRAGMA user_version`). */
const schemaVersion = migrations.length

/**
 * Makes the tables of a new file, or brings those of an older one up to date, in one transaction.
 * @param connection freshly opened
 * @param file its path, for the copy that is kept of an older one, and for the sentence of an error
 * @param isLocked this process has the right to serve from it; else that is taken for as long as tables change
 * @throws Error when the file is newer than this program, or another program's
 */
export function prepareSchema(connection: DatabaseSync, file: string, isLocked: boolean): void {
  const version = versionOf(connection, file)
  // A file that no gateway can be serving from needs no lock.
  if (version === 0) migrate(connection, file)
  else if (version < schemaVersion) upgrade(connection, file, version, isLocked)
  // Write-ahead log: readers never wait, and a commit is one sequential write. In memory there is no log; the response says so.
  connection.exec('PRAGMA journal_mode = WAL')
  // The first read makes its files, so that they can be watched.
  connection.prepare('SELECT count(*) FROM sqlite_schema').get()
}

/** Whether the pages of the database fit together. It reads all of them. */
export function isSound(connection: DatabaseSync): boolean {
  return connection.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] === 'ok'
}

/**
 * Writes to the file what stands there already, inside a transaction: for whoever wants to know whether it can be written.
 */
export function rewrite(connection: DatabaseSync): void {
  connection.exec(`PRAGMA application_id = ${applicationId}`)
}

function migrate(connection: DatabaseSync, file: string): void {
  connection.exec('BEGIN IMMEDIATE')
  try {
    // Read again under the lock: another process may have done it meanwhile.
    for (const step of migrations.slice(versionOf(connection, file))) connection.exec(step)
    connection.exec(`PRAGMA application_id = ${applicationId}`)
    connection.exec(`PRAGMA user_version = ${schemaVersion}`)
    connection.exec('COMMIT')
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
}

// Not under a running gateway, whose statements know the older tables.
function upgrade(connection: DatabaseSync, file: string, version: number, isLocked: boolean): void {
  const unlock = isLocked ? undefined : takeLock(file)
  try {
    keepCopy(connection, file, version)
    migrate(connection, file)
  } finally {
    unlock?.()
  }
}

// As it was, whole, beside the file: an older program can be started with it again. Under another name until it is complete.
function keepCopy(connection: DatabaseSync, file: string, version: number): void {
  const draft = `${copyOf(file, version)}.draft`
  rmSync(draft, { force: true })
  // SQLite writes into an empty file that is there already, and leaves its mode as it is.
  closeSync(openSync(draft, 'wx', 0o600))
  connection.prepare('VACUUM INTO ?').run(draft)
  renameSync(draft, copyOf(file, version))
}

function copyOf(file: string, version: number): string {
  return `${file}.v${version}`
}

/**
 * The version of the tables in a file; 0 for one that is empty.
 * @throws Error when it is another program's, or a newer gateway's; the message says what to do
 */
export function versionOf(connection: DatabaseSync, file: string): number {
  const version = pragma(connection, 'user_version')
  const isEmpty = connection.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
  if (isEmpty) return 0
  if (pragma(connection, 'application_id') !== applicationId) {
    throw new Error(`${file} is a database, but not a Cardea store; point CARDEA_DATA_DIR at another folder`)
  }
  if (version > schemaVersion) {
    throw new Error(
      `${file} was written by a newer Cardea (store version ${version}, this one reads up to ${schemaVersion}); ` +
        `start that version, or put the copy that it made before its upgrade, such as ${copyOf(file, schemaVersion)}, in its place ` +
        '(docs/operations.md, Backup and restore)',
    )
  }
  return version
}

function pragma(connection: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(connection.prepare(`PRAGMA ${name}`).get()?.[name])
}
