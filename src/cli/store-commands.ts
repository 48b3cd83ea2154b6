// `backup` and `restore` of the embedded store. A backup is made beside a gateway that serves; a restore needs it stopped, and ends
// every session, because a backup is the past: sessions that were ended since then would be alive again.
import { resolve } from 'node:path'
import { backUp, restore } from '../../plugins/session-store/embedded/backup.ts'
import { loadConfig } from '../config/index.ts'
import { makeDataDir } from '../process/first-start.ts'
import { embeddedFile, missingStore, openStore } from '../process/open-store.ts'
import { CliError, type Command, type Invocation, report } from './command.ts'

/** The commands by their words. */
export const storeCommands: Record<string, Command> = {
  backup: {
    synopsis: 'backup <file>',
    meaning: 'copies the embedded store into a new file, also while the gateway runs',
    options: {},
    positionals: [1, 1],
    needs: 'nothing',
    run: backUpStore,
  },
  restore: {
    synopsis: 'restore <file>',
    meaning: 'puts a copy in the place of the embedded store and ends every session; the gateway must be stopped',
    options: {},
    positionals: [1, 1],
    needs: 'nothing',
    run: restoreStore,
  },
}

function embeddedConfig() {
  const config = loadConfig()
  if (config.redisUrl === undefined) return config
  throw new CliError(
    'REDIS_URL is set, and Redis is copied by its own means (its RDB or append-only file; docs/redis.md). This command is for the embedded store.',
  )
}

async function backUpStore(invocation: Invocation): Promise<void> {
  const config = embeddedConfig()
  const missing = missingStore(config)
  if (missing !== undefined) throw new CliError(`There is no store at ${missing}: check CARDEA_DATA_DIR`)
  const file = resolve(invocation.positionals[0] ?? '')
  await sayingWhy(async () => backUp(embeddedFile(config), file))
  report(invocation, { file }, `copied the store into ${file}`)
}

async function restoreStore(invocation: Invocation): Promise<void> {
  const config = embeddedConfig()
  const source = resolve(invocation.positionals[0] ?? '')
  makeDataDir(config.dataDir)
  const before = await sayingWhy(() =>
    restore(source, embeddedFile(config), async () => {
      const store = await openStore(config)
      try {
        await store.sessions.endEveryone('revoked_by_admin')
      } finally {
        await store.close()
      }
    }),
  )
  const kept = before === undefined ? '' : `; the store of before is kept as ${before}`
  report(invocation, { restored: source, before: before ?? null }, `restored ${source}, every session has ended${kept}`)
}

// The adapter says in a plain Error what a person can mend; so does the system, of a folder that is not there or full.
async function sayingWhy<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw error instanceof Error && error.name === 'Error' ? new CliError(error.message, { cause: error }) : error
  }
}
