// The recent revocations and changes of users, as this node knows them: what it did itself and what it read in the log. A new
// primary that lacks some of it is told all of it before this node lets it rotate anything (failover/epochs.ts). It must never
// end a session that was not ended before: it repeats, it decides nothing.
import { notBeforeKeptMs } from '../../port/not-before.ts'
import { toEntry } from '../../port/revocation-entry.ts'
import type { LogPosition, RevocationEntry } from '../../port/store.ts'
import type { Argument, RedisLink } from '../connection/link.ts'
import type { RedisNames } from '../key-names.ts'
import { assertThere } from '../replies.ts'
import { scripts } from '../scripts.ts'
import type { RememberedUser } from '../users/record.ts'

/** How long the tombstone of a removed key is kept, ms: as long as anything in the store can be of use. */
export const keyTombstoneMs = notBeforeKeptMs

/**
 * How long a revocation is remembered, ms: a minute for the writes that may be lost, and a minute more, which a failover may
 * take while other parts of a Cluster go on.
 */
const keepMs = 120_000
/** Revocations remembered: some 30 MB at most; beyond it the oldest are forgotten. */
const limit = 100_000
/** Sent at once; the next batch waits for the responses. */
const batchSize = 500

export interface RecentRevocationsOptions {
  link: RedisLink
  names: RedisNames
  keepLogMs: number
  clock: (() => number) | undefined
}

/** Users remembered: some 10 MB at most; beyond it the one changed longest ago is forgotten. */
const userLimit = 10_000

interface Remembered {
  revocation: RevocationEntry
  /** performance.now() */
  heardAt: number
}

/** Entries lie in the log where the clock was that appended them: a new primary's may be behind the one that dated them. */
const clockDistanceMs = 60_000

/** Reads the log to its end: each entry's key as `keyOf` makes it, and where the log ended. */
export type ReadLogKeys = (
  after: LogPosition | { sinceMs: number },
) => Promise<{ keys: Set<string>; position: LogPosition }>

export class RecentRevocations {
  readonly #options: RecentRevocationsOptions
  readonly #remembered = new Map<string, Remembered>()
  readonly #users = new Map<string, RememberedUser & { heardAt: number }>()

  constructor(options: RecentRevocationsOptions) {
    this.#options = options
  }

  /** Remembers what was ended, here or elsewhere. */
  note(revocations: readonly RevocationEntry[]): void {
    const heardAt = performance.now()
    for (const revocation of revocations) {
      const key = keyOf(revocation)
      if (!this.#remembered.has(key)) this.#remembered.set(key, { revocation, heardAt })
    }
    // Only when something is added: while no primary answers, nothing is forgotten.
    for (const [key, { heardAt: oldest }] of this.#remembered) {
      if (oldest >= heardAt - keepMs && this.#remembered.size <= limit) break
      this.#remembered.delete(key)
    }
  }

  /** Remembers how users' records are, changed here or elsewhere: of each its newest revision. */
  noteUsers(users: readonly RememberedUser[]): void {
    const heardAt = performance.now()
    for (const user of users) {
      const known = this.#users.get(user.sub)
      if (known && known.revision >= user.revision) continue
      this.#users.delete(user.sub)
      this.#users.set(user.sub, { ...user, heardAt })
    }
    for (const [sub, { heardAt: oldest }] of this.#users) {
      if (oldest >= heardAt - keepMs && this.#users.size <= userLimit) break
      this.#users.delete(sub)
    }
  }

  /** Forgets the users: the store is another one. */
  forgetUsers(): void {
    this.#users.clear()
  }

  /**
   * Tells the store all of it again: brings users to the newest revision, removes signing keys, ends the sessions that live, and puts into the log what it lacks.
   * @param primaries their replication ids, with spaces between; another one that answers is told nothing
   * @throws StoreUnavailable when it could not be told to the end; telling it again does no harm
   */
  async replay(primaries: string, readLogKeys: ReadLogKeys): Promise<void> {
    const users = [...this.#users.values()]
    for (let i = 0; i < users.length; i += batchSize) {
      await Promise.all(users.slice(i, i + batchSize).map((user) => this.#restoreUser(user, primaries)))
    }
    const revocations = [...this.#remembered.values()].map(({ revocation }) => revocation)
    for (let i = 0; i < revocations.length; i += batchSize) {
      await Promise.all(revocations.slice(i, i + batchSize).map((revocation) => this.#bury(revocation, primaries)))
    }
    if (revocations.length > 0) await this.#restoreLog(revocations, primaries, readLogKeys)
  }

  async #bury(revocation: RevocationEntry, primaries: string): Promise<void> {
    if (revocation.kind === 'signing_key') return this.#removeKey(revocation.kid, primaries)
    if (revocation.kind !== 'session') return
    const parts = this.#options.names.parts(revocation.sid)
    if (!parts) return
    const args = [primaries, parts.field, revocation.reason, revocation.at]
    assertThere(await this.#options.link.run(scripts.restoreTombstone, [parts.subject, parts.tombstone], args))
  }

  async #removeKey(kid: string, primaries: string): Promise<void> {
    const { link, names, clock } = this.#options
    assertThere(await link.run(scripts.removeKey, [names.keys], [clock?.() ?? '', keyTombstoneMs, primaries, kid]))
  }

  // One that was added in the lost moments is in no list of names either.
  async #restoreUser({ sub, revision, fields }: RememberedUser, primaries: string): Promise<void> {
    const { link, names } = this.#options
    const reply = await link.run(scripts.restoreUser, [names.user(sub)], [primaries, revision, ...fields])
    assertThere(reply)
    if (String(reply) === 'restored') await link.command('ZADD', [names.users, 0, sub])
  }

  async #restoreLog(
    revocations: readonly RevocationEntry[],
    primaries: string,
    readLogKeys: ReadLogKeys,
  ): Promise<void> {
    const { link, names, keepLogMs, clock } = this.#options
    const oldest = revocations.reduce((least, { at }) => Math.min(least, at), Infinity)
    const known = new Set<string>()
    let after: LogPosition | { sinceMs: number } = { sinceMs: Math.max(0, oldest - clockDistanceMs) }
    for (let i = 0; i < revocations.length; i += batchSize) {
      // Read on before each batch: the script looks at all that was appended since, this node's own batches included.
      const { keys, position } = await readLogKeys(after)
      after = position
      for (const key of keys) known.add(key)
      const missing = revocations.slice(i, i + batchSize).filter((revocation) => !known.has(keyOf(revocation)))
      if (missing.length === 0) continue
      const entries = missing
        .map(toEntry)
        .flatMap(({ kind, name, sub, reason, at }): Argument[] => [kind, name, sub, reason, at])
      const args = [clock?.() ?? '', keepLogMs, primaries, notBeforeKeptMs, position, ...entries]
      assertThere(await link.run(scripts.restoreLog, [names.revocations, names.notBefore], args))
    }
  }
}

/** What a revocation is told apart by. */
export function keyOf(revocation: RevocationEntry): string {
  const { kind, name, at } = toEntry(revocation)
  return `${kind} ${name} ${at}`
}
