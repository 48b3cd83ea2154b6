// The Redis store: one Redis (or Valkey), a primary with sentinels, or a Cluster, for as many nodes as there are. It logs
// nothing; what it cannot do it says by throwing StoreUnavailable.
//
// Every key that belongs to sessions has a time-to-live: sessions, tombstones, the revocation log, counted attempts. User records, the list of
// their names and the sealed keys have none, because nothing but an operator ends them.
import { setTimeout as delay } from 'node:timers/promises'
import { RecordSeals } from '../../keys/record-seal.ts'
import type { SubjectTag } from '../../keys/subject-tag.ts'
import { OnceAMinute } from '../once-a-minute.ts'
import { StoreCondition } from '../port/condition.ts'
import { type KeyStore, type Store, StoreUnavailable } from '../port/store.ts'
import type { VerbLatency } from '../verb-latency.ts'
import { RedisAttempts } from './attempts.ts'
import { describeAddress, parseRedisUrl, type RedisAddress } from './connection/address.ts'
import { RedisGate } from './connection/gate.ts'
import { RedisLink } from './connection/link.ts'
import { RedisEvents } from './events.ts'
import { RedisEpochs } from './failover/epochs.ts'
import type { Look } from './failover/primaries.ts'
import { RecentRevocations } from './failover/recent-revocations.ts'
import { ReplicationBarrier } from './failover/replication-barrier.ts'
import { RedisNames } from './key-names.ts'
import { RedisKeys } from './keys.ts'
import { RedisRevocations } from './revocations.ts'
import { RedisSessions } from './sessions.ts'
import { checkRedis, policySentence, type RedisFindings, saysLost } from './start/checks.ts'
import { RedisIdentity } from './start/identity.ts'
import { openLoaded } from './start/loading.ts'
import { permissionError } from './start/permissions.ts'
import { unlessRefused } from './start/refused-connection.ts'
import { RedisUsers } from './users/index.ts'

export interface RedisStoreOptions {
  /** REDIS_URL; its forms are in connection/address.ts. */
  url: string
  /**
   * Gives the function from a subject to the 8 characters every sid of it begins with (subject-tag.ts: `subjectTagOf`), and with
   * it the key of records' seals. Called once, with the store's keys, where the key of both lies.
   */
  loadSubjectTag: (keys: KeyStore) => Promise<SubjectTag>
  /** Beginning of every key; default `c:`. Another one needs another ACL rule. */
  prefix?: string
  /** Of a test: whole ms; default Redis TIME. */
  clock?: () => number
  /** How long a verb may take before it is refused, ms; default 400. */
  deadlineMs?: number
  /** How long to try to reach Redis at start, ms; default 10 s. One that is loading its file is waited for longer. */
  startTimeoutMs?: number
  /** How long the revocation log is kept, ms: longer than an access token lives; default 1 h. */
  keepLogMs?: number
  /** How often to look for a new primary, ms; default 1 s. */
  lookEveryMs?: number
  /** How long a new primary is given to hear all nodes before refreshes go on, ms; default 400. */
  failoverWaitMs?: number
  /** Hears what the start-up checks found that need not stop the start. */
  onWarning?: (sentence: string) => void
  /** Hears why the start waits, while it waits. */
  onWait?: ((sentence: string) => void) | undefined
}

const defaults = {
  prefix: 'c:',
  deadlineMs: 400,
  startTimeoutMs: 10_000,
  keepLogMs: 60 * 60 * 1000,
  lookEveryMs: 1_000,
  failoverWaitMs: 400,
}
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
  const gate = new RedisGate()
  const condition = new StoreCondition()
  const alarms = new OnceAMinute((sentence) => condition.tell('alarm', sentence))
  const onMisled = () => alarms.tell('link', misled)
  const link = new RedisLink(address, { deadlineMs: settings.deadlineMs, commandLimit, gate, onMisled })
  try {
    const { alive } = new RedisNames(settings.prefix)
    const check = () => checkAll(link, address, alive)
    const open = () => openAndCheck(link, check, settings.startTimeoutMs)
    const { server, knowsScriptFlags, errorResponses, warnings } = await unlessRefused(link.client, address, () =>
      openLoaded(link.client, open, options.onWait),
    )
    link.knowsScriptFlags = knowsScriptFlags
    if (errorResponses.length > 0) throw new Error(errorResponses.join('\n'))
    for (const warning of warnings) options.onWarning?.(warning)
    const store = new RedisStore({ server, address, link, gate, condition, alarms, settings })
    await store.start()
    return store
  } catch (error) {
    link.close()
    throw error
  }
}

// A link that came up may be gone again before it is asked, on a machine that is busy starting: tried until the time is up.
async function openAndCheck<T>(link: RedisLink, check: () => Promise<T>, timeoutMs: number): Promise<T> {
  const endsAtMs = performance.now() + timeoutMs
  const leftMs = () => Math.max(1, endsAtMs - performance.now())
  for (;;) {
    await link.open(leftMs())
    const findings = check()
    try {
      // A server that goes silent now would hold the start for ever.
      await link.until(findings, leftMs())
      return await findings
    } catch (cause) {
      if (!isLost(cause)) throw cause
      if (performance.now() > endsAtMs) throw new StoreUnavailable(lostAtStart, { cause })
      await delay(lostAgainMs)
    }
  }
}

async function checkAll({ client }: RedisLink, { form }: RedisAddress, alive: string): Promise<RedisFindings> {
  const isCluster = form === 'cluster'
  const findings = await checkRedis(client, isCluster).catch((cause: Error) => cause)
  // A server that is to be refused is not written to; one that does not let its user ask is told what to let.
  const isRefused =
    findings instanceof Error ? !findings.message.includes('NOPERM') : findings.errorResponses.length > 0
  const problem = isRefused ? undefined : await permissionError(client, alive, isCluster)
  if (problem !== undefined) throw new Error(problem)
  if (findings instanceof Error) throw findings
  return findings
}

const misled =
  'A response of Redis was the one to another call, and was refused: the connection, or what stands between (a proxy, a balancer), ' +
  'loses responses or mixes them up. The connection was given up; see what is in between.'

const lostAgainMs = 20
const lostAtStart = 'Redis: the connection was lost each time the server was checked'

function isLost(error: unknown): boolean {
  return error instanceof StoreUnavailable && saysLost(error.message)
}

interface Parts {
  server: string
  address: RedisAddress
  link: RedisLink
  gate: RedisGate
  condition: StoreCondition
  alarms: OnceAMinute
  settings: typeof defaults & RedisStoreOptions
}

class RedisStore implements Store {
  readonly description: string
  readonly sessions: RedisSessions
  readonly users: RedisUsers
  readonly keys: RedisKeys
  readonly attempts: RedisAttempts
  readonly events: RedisEvents
  readonly condition: StoreCondition
  readonly latency: VerbLatency
  readonly #link: RedisLink
  readonly #links: readonly RedisLink[]
  readonly #log: RedisRevocations
  readonly #recentRevocations: RecentRevocations
  readonly #epochs: RedisEpochs
  readonly #identity: RedisIdentity
  readonly #alive: string
  readonly #clock: (() => number) | undefined

  constructor({ server, address, link, gate, condition, alarms, settings }: Parts) {
    this.condition = condition
    const names = new RedisNames(settings.prefix)
    const { clock, deadlineMs, keepLogMs, failoverWaitMs, lookEveryMs } = settings
    const isCluster = address.form === 'cluster'
    this.description = `${server} (${describeAddress(address)})`
    this.#link = link
    this.latency = link.latency
    const tail = new RedisLink(address, { deadlineMs, commandLimit: 1, gate })
    const fencing = new RedisLink(address, { deadlineMs, commandLimit, gate })
    const { loadSubjectTag } = settings
    this.#recentRevocations = new RecentRevocations({ link, names, keepLogMs, clock })
    const onSubjectTag = (subjectTag: SubjectTag) => {
      names.useSubjectTag(subjectTag)
      // Of another store, whose users are others.
      this.#recentRevocations.forgetUsers()
    }
    this.#identity = new RedisIdentity({ link, names, gate, condition, loadSubjectTag, onSubjectTag })
    this.#links = [link, tail, fencing]
    this.#log = new RedisRevocations(link, tail, names, keepLogMs, clock)
    const replay = (primaries: string) => this.#replay(primaries)
    const onEpoch = (sentence: string) => this.condition.tell('notice', sentence)
    const onDemoted = () => {
      for (const one of this.#links) one.reconnect()
    }
    const inspect = (look: Look, hasStrangers: boolean) => this.#inspect(look, hasStrangers)
    const hears = { replay, inspect, onEpoch, onDemoted }
    this.#epochs = new RedisEpochs({ link, names, clock, failoverWaitMs, lookEveryMs, ...hears })
    this.#alive = names.alive
    this.#clock = clock
    const barrier = new ReplicationBarrier({
      link: fencing,
      names,
      isCluster,
      replicated: () => this.#epochs.replicated,
      onUnconfirmed: onEpoch,
    })
    const seals = new RecordSeals(
      () => names.sealKey,
      (sentence) => this.condition.tell('forged', sentence),
    )
    const [log, epochs, recentRevocations, identity] = [
      this.#log,
      this.#epochs,
      this.#recentRevocations,
      this.#identity,
    ]
    const parts = { seals, link, names, log, epochs, recentRevocations, barrier, clock }
    this.sessions = new RedisSessions({ ...parts, identity, keepLogMs, isCluster, alarms })
    this.users = new RedisUsers(parts)
    this.keys = new RedisKeys(link, names.keys, { recentRevocations, barrier, identity })
    this.#log.onUser((user) => this.#recentRevocations.noteUsers([user]))
    this.attempts = new RedisAttempts(link, names, clock)
    this.events = new RedisEvents(link, names, isCluster)
  }

  /** @throws StoreUnavailable when no primary answers; Error when what Redis holds cannot be used */
  async start(): Promise<void> {
    try {
      await this.#identity.start()
      await this.#epochs.start()
    } catch (error) {
      await this.close()
      throw error
    }
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
    this.#epochs.close()
    for (const link of this.#links) link.close()
  }

  async #inspect({ evictionPolicy }: Look, hasStrangers: boolean): Promise<void> {
    this.condition.note('memory_policy', evictionPolicy && policySentence(evictionPolicy))
    await this.#identity.look(hasStrangers)
  }

  // A new primary: what it may lack it is told; what it has, this node reads again.
  async #replay(primaries: string): Promise<void> {
    await this.#identity.restoreKeys(primaries)
    await this.#recentRevocations.replay(primaries, (after) => this.#log.readKeys(after))
    this.#log.startOver()
  }
}
