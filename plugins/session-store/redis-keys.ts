// Sealed keys in Redis: one hash, id -> description in JSON, a line feed, the sealed text. Called through the port only
// (store.ts). They go when `remove` says so and have no time-to-live, not even one that gateways renew: the key of subjects' tags
// is in the name of every user's record, so if it went while all gateways are off, for however long, the users would be lost.
import type { RedisLink } from './redis-link.ts'
import { scripts } from './redis-scripts.ts'
import type { KeyStore, SealedKey } from './store.ts'

export class RedisKeys implements KeyStore {
  readonly #link: Pick<RedisLink, 'command' | 'run'>
  readonly #name: string

  /** @param name of the hash */
  constructor(link: Pick<RedisLink, 'command' | 'run'>, name: string) {
    this.#link = link
    this.#name = name
  }

  async list(): Promise<SealedKey[]> {
    // Boundary: HVALS answers a list of texts, which only `add` and replace-key.lua write.
    const values = (await this.#link.command('HVALS', [this.#name])) as Buffer[]
    return values.map((value) => readKey(value.toString()))
  }

  async add(key: SealedKey): Promise<boolean> {
    return (await this.#link.command('HSETNX', [this.#name, key.id, writeKey(key)])) === 1
  }

  async replace(id: string, sealed: string): Promise<boolean> {
    return (await this.#link.run(scripts.replaceKey, [this.#name], [id, sealed])) === 1
  }

  async remove(id: string): Promise<void> {
    await this.#link.command('HDEL', [this.#name, id])
  }
}

function writeKey({ sealed, ...description }: SealedKey): string {
  return `${JSON.stringify(description)}\n${sealed}`
}

function readKey(value: string): SealedKey {
  const end = value.indexOf('\n')
  return { ...JSON.parse(value.slice(0, end)), sealed: value.slice(end + 1) }
}
