// Sealed keys in Redis: one hash, id -> description in JSON, a line feed, the sealed text. What `remove` takes away leaves a
// tombstone: a key that leaked must not come back with whoever has not heard of it. They go when `remove` says so and have no
// time-to-live, not even one that gateways renew: the key of subjects' tags is in the name of every user's record, so if it
// went while all gateways are off, for however long, the users would be lost.
import type { KeyStore, SealedKey } from '../port/store.ts'
import type { RedisLink } from './connection/link.ts'
import { keyTombstoneMs, type RecentRevocations } from './failover/recent-revocations.ts'
import type { ReplicationBarrier } from './failover/replication-barrier.ts'
import { pairs } from './replies.ts'
import { scripts } from './scripts.ts'

/** What makes writes outlive a failover. */
export interface Outliving {
  recentRevocations: Pick<RecentRevocations, 'note'>
  barrier: Pick<ReplicationBarrier, 'confirm'>
  identity: { noteKey(id: string, text: string): void }
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
    await this.#outliving?.barrier.confirm(this.#name)
    return true
  }

  async replace(id: string, sealed: string): Promise<boolean> {
    return (await this.#link.run(scripts.replaceKey, [this.#name], [id, sealed])) === 1
  }

  async remove(id: string): Promise<void> {
    await this.#link.run(scripts.removeKey, [this.#name], ['', keyTombstoneMs, '', id])
    // Told again as a revoked one is: whether it leaked or was only past, nobody may take it up again.
    this.#outliving?.recentRevocations.note([{ kind: 'signing_key', kid: id, at: Date.now() }])
    await this.#outliving?.barrier.confirm(this.#name)
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
  return key.id === id && isDocumented(key) ? key : undefined
}

function readDescription(text: string): Partial<SealedKey> {
  try {
    // Boundary: what it is, is checked next.
    return JSON.parse(text) as Partial<SealedKey>
  } catch {
    return {}
  }
}

function isDocumented(key: Partial<SealedKey>): key is SealedKey {
  const { use, alg, createdAt, activeFrom } = key
  const isKnown = use === 'signing' || use === 'subject-tag'
  return isKnown && typeof alg === 'string' && Number.isFinite(createdAt) && Number.isFinite(activeFrom)
}
