// The store that the config names: Redis where there is a REDIS_URL, the embedded file in the data folder otherwise. It makes
// nothing up: a store that must not be used is refused.
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { deriveSecrets } from '../../plugins/keys/secrets.ts'
import { openStore as open } from '../../plugins/session-store/open-store.ts'
import type { Store } from '../../plugins/session-store/port/store.ts'
import type { Config } from '../config/index.ts'

/** The store answers, and must not be used as it is; the message says what to change. */
export class StoreRejected extends Error {}

export interface OpenStoreOptions {
  /** The gateway itself: of an embedded store there is one; the command line works beside it. */
  isToServe?: boolean
  /** Hears what the store found that need not stop the start. */
  onWarning?: (sentence: string) => void
  /** Hears why the start waits, while it waits. */
  onWait?: (sentence: string) => void
  /** How long revocations are kept for nodes to read, ms; by default what the life of an access token asks for. */
  keepLogMs?: number
}

/**
 * Opens the store.
 * @param config its secrets open the key that a store on Redis needs for its own keys' names
 * @throws StoreUnavailable when it cannot be reached or opened; StoreRejected when it must not be used
 */
export async function openStore(config: Config, options: OpenStoreOptions = {}): Promise<Store> {
  const { redisUrl, secrets, accessTtlSeconds, clockToleranceSeconds, storeTimeoutMs } = config
  try {
    return await open({
      ...options,
      redisUrl,
      file: shortest(embeddedFile(config)),
      secrets: deriveSecrets(secrets),
      tokenLifeSeconds: accessTtlSeconds + clockToleranceSeconds,
      timeoutMs: storeTimeoutMs,
    })
  } catch (error) {
    // The adapters say in a plain Error what a person can mend; every other kind is a fault of ours.
    throw error instanceof Error && error.name === 'Error' ? new StoreRejected(error.message, { cause: error }) : error
  }
}

/**
 * Whether there is something to look into: an embedded store that is not there would only be made, and hide that the data
 * folder is another.
 * @returns where the store should be, when it is not there
 */
export function missingStore(config: Config): string | undefined {
  const file = embeddedFile(config)
  return config.redisUrl === undefined && !existsSync(file) ? file : undefined
}

/** Where the embedded store lies. */
export function embeddedFile({ dataDir }: Pick<Config, 'dataDir'>): string {
  return join(dataDir, 'cardea.db')
}

// What people read in the banner: `data/cardea.db` where the data folder lies in this one.
function shortest(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere
}
