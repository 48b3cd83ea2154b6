// The Redis store: one Redis (or Valkey), a primary with sentinels, or a Cluster, for as many nodes as there are. Called by
// whoever wires the gateway or the CLI. It logs nothing; what it cannot do it says by throwing StoreUnavailable.
//
// Every key that belongs to sessions has a time-to-live: sessions, tombstones, the revocation log, counted tries. User records, the list of
// their names and the sealed keys have none, because nothing but an operator ends them.
import { describeAddress, parseRedisUrl, type RedisAddress } from './redis-address.ts'
import { checkRedis } from './redis-checks.ts'
import { RedisKeys } from './redis-keys.ts'
import { RedisLink } from './redis-link.ts'
import { RedisNames } from './redis-names.ts'
import { RedisRevocations } from './redis-revocations.ts'
import { RedisSessions } from './redis-sessions.ts'
import { RedisTries } from './redis-tries.ts'
import { RedisUsers } from './redis-users.ts'
import type { KeyStore, Store } from './store.ts'

export interface RedisStoreOptions {
  /** REDIS_URL; its forms are in redis-address.ts. */
  url: string
  /**
   * Gives the function from a subject to the 8 characters every sid of it begins with (refresh-token.ts: `subjectTag`). Called
   * once, with the store's keys, where the key of that function lies.
   */
  loadSubjectTag: (keys: KeyStore) => Promise<(sub: string) => string>
  /** Beginning of every key; default `c:`. Another one needs another ACL rule. */
  prefix?: string
  /** Of a test: whole ms; default Redis TIME. */
  clock?: () => number
  /** How long a verb may take before it is refused, ms; default 400. */
  deadlineMs?: number
  /** How long to try to reach Redis at start, ms; default 10 s. */
  startTimeoutMs?: number
  /** How long the revocation log is kept, ms: longer than an access token lives; default 1 h. */
  keepLogMs?: number
  /** Hears what the start-up checks found that need not stop the start. */
  onWarning?: (sentence: string) => void
}

const defaults = { prefix: 'c:', deadlineMs: 400, startTimeoutMs: 10_000, keepLogMs: 60 * 60 * 1000 }
/** Verbs under way at once; more are refused, so that memory stays bounded while Redis is slow or away. */
const commandLimit = 10_000

/**
 * Connects, checks the server, and opens the store.
 * @throws Error that says what to change, when REDIS_URL is wrong or the server must not be used; StoreUnavailable when it
 * cannot be reached in `startTimeoutMs`
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const settings = { ...defaults, ...options }
  const address = parseRedisUrl(options.url)
  const link = new RedisLink(address, { deadlineMs: settings.deadlineMs, commandLimit })
  try {
    await link.open(settings.startTimeoutMs)
    const { server, refusals, warnings } = await checkRedis(link.client, address.form === 'cluster')
    if (refusals.length > 0) throw new Error(refusals.join('\n'))
    for (const warning of warnings) options.onWarning?.(warning)
    const keys = new RedisKeys(link, `${settings.prefix}keys`)
    const names = new RedisNames(settings.prefix, await options.loadSubjectTag(keys))
    return new RedisStore({ server, address, link, names, keys, settings })
  } catch (error) {
    link.close()
    throw error
  }
}

interface Parts {
  server: string
  address: RedisAddress
  link: RedisLink
  names: RedisNames
  keys: RedisKeys
  settings: typeof defaults & RedisStoreOptions
}

class RedisStore implements Store {
  readonly description: string
  readonly sessions: RedisSessions
  readonly users: RedisUsers
  readonly keys: RedisKeys
  readonly tries: RedisTries
  readonly #link: RedisLink
  readonly #tail: RedisLink
  readonly #log: RedisRevocations
  readonly #alive: string
  readonly #clock: (() => number) | undefined

  constructor({ server, address, link, names, keys, settings }: Parts) {
    const { clock, deadlineMs, keepLogMs } = settings
    this.description = `${server} (${describeAddress(address)})`
    this.#link = link
    this.#tail = new RedisLink(address, { deadlineMs, commandLimit: 1 })
    this.#log = new RedisRevocations(link, this.#tail, names.revocations, keepLogMs, clock)
    this.#alive = names.alive
    this.#clock = clock
    this.sessions = new RedisSessions({
      link,
      names,
      log: this.#log,
      keepLogMs,
      isCluster: address.form === 'cluster',
      clock,
    })
    this.users = new RedisUsers(link, names, clock)
    this.keys = keys
    this.tries = new RedisTries(link, names, clock)
  }

  async now(): Promise<number> {
    if (this.#clock) return this.#clock()
    // Boundary: TIME answers seconds and microseconds.
    const [seconds, microseconds] = (await this.#link.command('TIME', [])) as [Buffer, Buffer]
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
  }

  async ping(): Promise<void> {
    // A server that can be read but not written (a replica, out of memory) serves nobody.
    await this.#link.command('SET', [this.#alive, 1, 'PX', 1000])
  }

  async close(): Promise<void> {
    this.#log.close()
    this.#link.close()
    this.#tail.close()
  }
}
