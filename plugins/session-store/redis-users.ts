// Local identities in Redis. Called through the port only (store.ts). It never sees a password. A record lies in its
// subject's slot, because a login checks it in the same step; it has no time-to-live: it belongs to no session.
import type { RedisLink } from './redis-link.ts'
import type { RedisNames } from './redis-names.ts'
import { scripts } from './redis-scripts.ts'
import type { NewUser, User, UserChange, UserStore } from './store.ts'

// A longer value would cost the compact encoding; a PHC string has 97 characters, so it lies in two fields.
const halfBytes = 64

export class RedisUsers implements UserStore {
  readonly #link: RedisLink
  readonly #names: RedisNames
  readonly #clock: (() => number) | undefined

  /** @param clock of a test; the store's own otherwise */
  constructor(link: RedisLink, names: RedisNames, clock: (() => number) | undefined) {
    this.#link = link
    this.#names = names
    this.#clock = clock
  }

  async find(sub: string): Promise<User | undefined> {
    // Boundary: HGETALL answers names and values in turn.
    const flat = (await this.#link.command('HGETALL', [this.#names.user(sub)])) as Buffer[]
    return flat.length === 0 ? undefined : readUser(sub, flat)
  }

  async add(user: NewUser): Promise<boolean> {
    const args = [this.#clock?.() ?? '', ...writeFields(user)]
    const added = await this.#link.run(scripts.addUser, [this.#names.user(user.sub)], args)
    await this.#enrol(user.sub)
    return added === 1
  }

  async change(sub: string, change: UserChange, atRevision?: number): Promise<boolean> {
    const args = [atRevision ?? '', ...writeFields(change)]
    return (await this.#link.run(scripts.changeUser, [this.#names.user(sub)], args)) === 1
  }

  async rehash(sub: string, oldHash: string, newHash: string): Promise<void> {
    await this.#link.run(scripts.rehashUser, [this.#names.user(sub)], [...halve(oldHash), ...halve(newHash)])
  }

  async list(after: string, limit: number): Promise<User[]> {
    const subs = await readUserNames(this.#link, this.#names, after, limit)
    const users = await Promise.all(subs.map((sub) => this.find(sub)))
    return users.filter((user) => user !== undefined)
  }

  async count(): Promise<number> {
    return Number(await this.#link.command('ZCARD', [this.#names.users]))
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

function writeFields({ passwordHash, roles, scope, disabled }: UserChange): (string | number | Buffer)[] {
  const [p, q] = passwordHash === undefined ? [] : halve(passwordHash)
  const fields = {
    p,
    q,
    r: roles && JSON.stringify(roles),
    s: scope,
    d: disabled === undefined ? disabled : Number(disabled),
  }
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
}

function readUser(sub: string, flat: readonly Buffer[]): User {
  const fields = new Map<string, Buffer>()
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(String(flat[i]), flat[i + 1] ?? Buffer.alloc(0))
  const field = (name: string) => fields.get(name) ?? Buffer.alloc(0)
  return {
    sub,
    passwordHash: Buffer.concat([field('p'), field('q')]).toString(),
    roles: JSON.parse(field('r').toString()),
    scope: field('s').toString(),
    disabled: field('d').toString() === '1',
    createdAt: Number(field('c')),
    revision: Number(field('v')),
  }
}

function halve(hash: string): [Buffer, Buffer] {
  const bytes = Buffer.from(hash)
  return [bytes.subarray(0, halfBytes), bytes.subarray(halfBytes)]
}
