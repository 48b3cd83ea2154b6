// Copies of the embedded store: one that is made while a gateway serves, and its way back. A copy is whole or it is not there; what
// it takes the place of is moved aside, never deleted.
import { chmodSync, closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { takeLock } from './file.ts'
import { isSound, versionOf } from './schema.ts'

/**
 * Copies a store that may be in use. What is committed while the copy is made may or may not be in it.
 * @param file path of the store
 * @param target path of the copy; its folder exists, and it does not
 * @throws Error with a sentence that says what is wrong
 */
export function backUp(file: string, target: string): void {
  if (existsSync(target)) throw new Error(`${target} exists already: name another file`)
  copyInto(file, target)
}

/**
 * Puts a copy in the place of a store. No gateway may serve from it, and none can begin to until `act` is done.
 * @param source path of the copy
 * @param file path of the store, whether it is there or not
 * @param act what must be done to the restored store before anybody is served
 * @returns where the store of before lies now; undefined where there was none
 * @throws Error with a sentence that says what is wrong; nothing has changed then, unless it is `act` that threw
 */
export async function restore(
  source: string,
  file: string,
  act: () => Promise<void>,
  clock: () => number = Date.now,
): Promise<string | undefined> {
  requireSound(source)
  const unlock = takeLock(file)
  try {
    const fresh = `${file}.restored`
    rmSync(fresh, { force: true })
    copyInto(source, fresh)
    const aside = existsSync(file)
      ? `${file}.before-${new Date(clock()).toISOString().replace(/[-:.]/g, '')}`
      : undefined
    // The log too: a log that a killed process left would be written over the copy. It goes on belonging to the older file.
    if (aside !== undefined) {
      for (const end of ['', '-wal', '-shm']) if (existsSync(file + end)) renameSync(file + end, aside + end)
    }
    renameSync(fresh, file)
    await act()
    return aside
  } finally {
    unlock()
  }
}

function requireSound(source: string): void {
  if (!existsSync(source)) throw new Error(`there is no file ${source}`)
  const connection = new DatabaseSync(source)
  try {
    if (versionOf(connection, source) === 0) throw new Error(`${source} is empty, and no copy of a store`)
    if (!isSound(connection)) throw new Error(`${source} is damaged: take another copy`)
  } catch (error) {
    // SQLITE_NOTADB
    const isOther = error instanceof Error && 'errcode' in error && error.errcode === 26
    throw isOther ? new Error(`${source} is no copy of a Cardea store`, { cause: error }) : error
  } finally {
    connection.close()
  }
}

// Under another name until it is whole and on the disk.
function copyInto(file: string, target: string): void {
  const draft = `${target}.draft`
  rmSync(draft, { force: true })
  // SQLite writes into an empty file that is there already, and leaves its mode as it is.
  closeSync(openSync(draft, 'wx', 0o600))
  const connection = new DatabaseSync(file)
  try {
    versionOf(connection, file)
    connection.prepare('VACUUM INTO ?').run(draft)
    chmodSync(draft, 0o600)
    const descriptor = openSync(draft, 'r+')
    fsyncSync(descriptor)
    closeSync(descriptor)
    renameSync(draft, target)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    connection.close()
  }
}
