// A store, opened: a Redis where there is an address of one, the embedded file otherwise. Nobody else knows that there are two.
// It makes nothing up: a store that must not be used is refused.
import type { Secret } from '../keys/secrets.ts'
import { loadSubjectTagKey, type SubjectTag, subjectTagOf } from '../keys/subject-tag.ts'
import { clockMarginMs } from '../revocation/index.ts'
import { openEmbeddedStore } from './embedded/index.ts'
import type { KeyStore, Store } from './port/store.ts'
import { openRedisStore } from './redis/index.ts'

export interface StoreToOpen {
  /** `redis://…`; the forms are in docs/redis.md. */
  redisUrl?: string | undefined
  /** The embedded store's, where there is no `redisUrl`; `:memory:` for one that is forgotten. */
  file: string
  /** Newest first. They open the key that a store on Redis needs for its own keys' names. */
  secrets: readonly Secret[]
  /** How long an access token is taken at most, leeway included. */
  tokenLifeSeconds: number
  /** How long Redis may take for one verb, ms; 400 when absent. */
  timeoutMs?: number
  /** How long Redis may take to answer at all at the start, ms; 10 s when absent. */
  startTimeoutMs?: number | undefined
  /** The gateway itself: of an embedded store there is one; the command line works beside it. */
  isToServe?: boolean
  /** How long revocations are kept for nodes to read, ms; by default what the life of an access token asks for. */
  keepLogMs?: number | undefined
  /** Hears what the store found that need not stop the start. */
  onWarning?: ((sentence: string) => void) | undefined
  /** Hears why the start waits, while it waits. */
  onWait?: ((sentence: string) => void) | undefined
}

/**
 * Opens the store.
 * @throws StoreUnavailable when it cannot be reached or opened; Error that says what to do, when it must not be used
 */
export async function openStore(options: StoreToOpen): Promise<Store> {
  const { file, isToServe = false, redisUrl } = options
  return redisUrl === undefined ? openEmbeddedStore({ file, isToServe }) : openRedis(redisUrl, options)
}

// A node that starts loads what an hour and the life of a token have brought; it may be read late, and by clocks that differ.
const shortestLogMs = 3 * 60 * 60 * 1000

function openRedis(url: string, options: StoreToOpen): Promise<Store> {
  const { keepLogMs, onWait, onWarning, secrets, startTimeoutMs, timeoutMs, tokenLifeSeconds } = options
  // Twice, for nodes that were away; and as much more as clocks are reckoned with to differ.
  const twiceTokenLifeMs = 2 * 1000 * tokenLifeSeconds + clockMarginMs
  return openRedisStore({
    url,
    ...(timeoutMs !== undefined && { deadlineMs: timeoutMs }),
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    keepLogMs: keepLogMs ?? Math.max(shortestLogMs, twiceTokenLifeMs),
    loadSubjectTag: (keys) => loadSubjectTag(keys, secrets),
    onWait,
    ...(onWarning && { onWarning }),
  })
}

async function loadSubjectTag(keys: KeyStore, secrets: readonly Secret[]): Promise<SubjectTag> {
  return subjectTagOf(await loadSubjectTagKey(keys, secrets))
}
