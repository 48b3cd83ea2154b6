// Local identities in Redis. It never sees a password. A record lies in its subject's slot, because a login checks it in the
// same step; it has no time-to-live: it belongs to no session.
//
// A change that a failover loses would let somebody back in. So the response waits for a replica (replication-barrier.ts), every
// node hears of the change by the log and remembers it for a while, and a new primary is told (recent-revocations.ts): the
// newest revision wins.

import type { RecordSeals } from '../../../keys/record-seal.ts'
import { canTakeAway, isAdministrator } from '../../port/administrators.ts'
import { type NewUser, StoreUnavailable, type User, type UserChange, type UserStore } from '../../port/store.ts'
import type { Argument, RedisLink } from '../connection/link.ts'
import type { RedisEpochs } from '../failover/epochs.ts'
import type { RecentRevocations } from '../failover/recent-revocations.ts'
import type { ReplicationBarrier } from '../failover/replication-barrier.ts'
import type { RedisNames } from '../key-names.ts'
import { readReply } from '../replies.ts'
import type { RedisRevocations } from '../revocations.ts'
import { type Script, scripts } from '../scripts.ts'
import { RedisAdministrators } from './administrators.ts'
import { readUser, rememberUser, type WrittenUser, writeUser } from './record.ts'

export interface RedisUsersOptions {
  link: RedisLink
  names: RedisNames
  log: RedisRevocations
  epochs: RedisEpochs
  recentRevocations: RecentRevocations
  barrier: ReplicationBarrier
  /** Tells what a gateway wrote from what somebody else did. */
  seals: RecordSeals
  /** Of a test; the store's own otherwise. */
  clock: (() => number) | undefined
}

/** How often a change is tried that others come before. */
const maxAttempts = 20

export class RedisUsers implements UserStore {
  readonly #options: RedisUsersOptions
  readonly #link: RedisLink
  readonly #names: RedisNames
  readonly #administrators: RedisAdministrators

  constructor(options: RedisUsersOptions) {
    this.#options = options
    this.#link = options.link
    this.#names = options.names
    this.#administrators = new RedisAdministrators(options.link, options.names, this)
  }

  async find(sub: string): Promise<User | undefined> {
    const place = this.#names.user(sub)
    const startedAt = performance.now()
    // Boundary: HGETALL answers names and values in turn.
    const flat = (await this.#link
      .command('HGETALL', [place])
      .finally(() => this.#link.latency.note('find', startedAt))) as Buffer[]
    return flat.length === 0 ? undefined : readUser(sub, flat.map(String), place, this.#options.seals)
  }

  async add({ sub, ...granted }: NewUser): Promise<boolean> {
    const isAdded = await this.#write(scripts.addUser, sub, [], { ...granted, disabled: false, revision: 1 })
    await this.#enrol(sub)
    // Also when it was there before: a node may have died between the two.
    if (isAdministrator({ ...granted, disabled: false })) await this.#enterIfAdministrator(sub)
    return isAdded
  }

  async change(sub: string, change: UserChange, atRevision?: number): Promise<boolean> {
    const isLeaving = canTakeAway(change) && isAdministrator(await this.find(sub))
    if (isLeaving) await this.#administrators.leave(sub)
    const isChanged = await this.#apply(sub, change, atRevision)
    if (isLeaving && isChanged) await this.#administrators.forget(sub)
    else if (isLeaving || canMake(change)) await this.#enterIfAdministrator(sub)
    return isChanged
  }

  async #enterIfAdministrator(sub: string): Promise<void> {
    if (isAdministrator(await this.find(sub))) await this.#administrators.enter(sub)
  }

  // What is sealed is the whole record, so it is read, and written only if it is as it was read: its revision says so.
  async #apply(sub: string, change: UserChange, atRevision: number | undefined): Promise<boolean> {
    for (let attempts = 0; attempts < maxAttempts; attempts += 1) {
      const user = await this.find(sub)
      if (!user || user.revision !== (atRevision ?? user.revision)) return false
      const next = { ...user, ...change, revision: user.revision + 1 }
      if (await this.#write(scripts.changeUser, sub, [user.revision], next)) return true
    }
    throw new StoreUnavailable(`Redis: the user ${sub} is changed by others all the while`)
  }

  async rehash(sub: string, oldHash: string, newHash: string): Promise<void> {
    const user = await this.find(sub)
    if (user?.passwordHash !== oldHash) return
    const place = this.#names.user(sub)
    const seen = writeUser(user, place, this.#options.seals)
    const fields = writeUser({ ...user, passwordHash: newHash }, place, this.#options.seals)
    // Its seal says that it is as it was read.
    await this.#link.run(scripts.rehashUser, [place], [seen.at(-1) ?? '', ...fields])
  }

  async list(after: string, limit: number): Promise<User[]> {
    const subs = await readUserNames(this.#link, this.#names, after, limit)
    const users = await Promise.all(subs.map((sub) => this.find(sub)))
    return users.filter((user) => user !== undefined)
  }

  async count(): Promise<number> {
    return Number(await this.#link.command('ZCARD', [this.#names.users]))
  }

  // A verb that answers the record as it has become, or nothing when nothing was changed.
  async #write(script: Script, sub: string, args: readonly Argument[], user: WrittenUser): Promise<boolean> {
    const { clock, epochs, barrier, recentRevocations, log, seals } = this.#options
    const key = this.#names.user(sub)
    const fields = writeUser(user, key, seals)
    const record = await epochs.whenPrepared(async (prepared, restMs) =>
      readReply(await this.#link.run(script, [key], [clock?.() ?? '', prepared, ...args, ...fields], restMs)),
    )
    if (record.length === 0) return false
    const written = rememberUser(sub, record.map(String))
    recentRevocations.noteUsers([written])
    await Promise.all([log.publishUser(written), barrier.confirm(key)])
    return true
  }

  // The list of names lies in another slot of a Cluster than the record, so a script cannot write both. The record comes
  // first and is the truth: a node that dies in between leaves a user who can log in and is listed once `add` is tried again.
  async #enrol(sub: string): Promise<void> {
    await this.#link.command('ZADD', [this.#names.users, 0, sub])
  }
}

/** Names of users in order, later than `after` ('' for the first), at most `limit`. */
export async function readUserNames(
  link: RedisLink,
  names: RedisNames,
  after: string,
  limit: number,
): Promise<string[]> {
  const range = [after === '' ? '-' : `(${after}`, '+', 'LIMIT', 0, limit]
  // Boundary: ZRANGEBYLEX answers a list of texts.
  const subs = (await link.command('ZRANGEBYLEX', [names.users, ...range])) as Buffer[]
  return subs.map(String)
}

// Of a user who was none before.
function canMake({ roles, disabled }: UserChange): boolean {
  return roles !== undefined || disabled === false
}
