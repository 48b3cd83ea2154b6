// Sealed keys in Redis: one hash, id -> description in JSON, a line feed, the sealed text. Called through the port only
// (store.ts). What `remove` takes away leaves a tombstone: a key that leaked must not come back with whoever has not heard of it.
// They go when `remove` says so and have no time-to-live, not even one that gateways renew: the key of subjects' tags
// is in the name of every user's record, so if it went while all gateways are off, for however long, the users would be lost.
import { notBeforeKeptMs } from './not-before.ts'
import type { RedisFence } from './redis-fence.ts'
import type { RedisIdentity } from './redis-identity.ts'
import type { RedisJournal } from './redis-journal.ts'
import type { RedisLink } from './redis-link.ts'
import { pairs } from './redis-reply.ts'
import { scripts } from './redis-scripts.ts'
import type { KeyStore, SealedKey } from './store.ts'

/** How long a tombstone is kept, ms: as long as anything in the store can be of use. */
export const keyTombstoneMs = notBeforeKeptMs

/** What makes writes outlive a failover. */
export interface Outliving {
  journal: Pick<RedisJournal, 'note'>
  fence: Pick<RedisFence, 'confirm'>
  identity: Pick<RedisIdentity, 'noteKey'>
}

export class RedisKeys implements KeyStore {
  readonly #link: Pick<RedisLink, 'command' | 'run'>
  readonly #name: string
  readonly #outliving: Outliving | undefined

  /**
   * @param name of the hash
   * @param outliving absent at start, before there is one
   */
  constructor(link: Pick<RedisLink, 'command' | 'run'>, name: string, outliving?: Outliving) {
    this.#link = link
    this.#name = name
    this.#outliving = outliving
  }

  async list(): Promise<SealedKey[]> {
    // Boundary: HGETALL answers a list of texts. RedisIdentity says which of them are passed over here.
    const entries = pairs((await this.#link.command('HGETALL', [this.#name])) as Buffer[])
    return entries.flatMap(([id, value]) => readKey(String(id), String(value)) ?? [])
  }

  async add(key: SealedKey): Promise<boolean> {
    const value = writeKey(key)
    const isAdded = (await this.#link.command('HSETNX', [this.#name, key.id, value])) === 1
    if (!isAdded) return false
    this.#outliving?.identity.noteKey(key.id, value)
    await this.#outliving?.fence.confirm(this.#name)
    return true
  }

  async replace(id: string, sealed: string): Promise<boolean> {
    return (await this.#link.run(scripts.replaceKey, [this.#name], [id, sealed])) === 1
  }

  async remove(id: string): Promise<void> {
    await this.#link.run(scripts.removeKey, [this.#name], ['', keyTombstoneMs, '', id])
    // Told again as a revoked one is: whether it leaked or was only past, nobody may take it up again.
    this.#outliving?.journal.note([{ kind: 'signing_key', kid: id, at: Date.now() }])
    await this.#outliving?.fence.confirm(this.#name)
  }
}

function writeKey({ sealed, ...description }: SealedKey): string {
  return `${JSON.stringify(description)}\n${sealed}`
}

/** Whether a value of the hash is a key of this id. */
export function isKey(id: string, value: string): boolean {
  return readKey(id, value) !== undefined
}

/** Whether a value of the hash is none that a gateway of this version wrote: neither a key nor a tombstone, which is a time. */
export function isUnreadable(id: string, value: string): boolean {
  return !/^\d+$/.test(value) && !isKey(id, value)
}

function readKey(id: string, value: string): SealedKey | undefined {
  const end = value.indexOf('\n')
  const key = { ...readDescription(value.slice(0, Math.max(0, end))), sealed: value.slice(end + 1) }
  return key.id === id && isDescribed(key) ? key : undefined
}

function readDescription(text: string): Partial<SealedKey> {
  try {
    // Boundary: what it is, is judged next.
    return JSON.parse(text) as Partial<SealedKey>
  } catch {
    return {}
  }
}

function isDescribed(key: Partial<SealedKey>): key is SealedKey {
  const { use, alg, createdAt, activeFrom } = key
  const isKnown = use === 'signing' || use === 'subject-tag'
  return isKnown && typeof alg === 'string' && Number.isFinite(createdAt) && Number.isFinite(activeFrom)
}
