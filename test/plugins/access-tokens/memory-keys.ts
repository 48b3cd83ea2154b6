// A key store in memory that counts its calls and can be away: for the tests of keys, which need neither a file nor sessions.
import { type KeyStore, type SealedKey, StoreUnavailable } from '../../../plugins/session-store/port/store.ts'

export class MemoryKeys implements KeyStore {
  readonly rows = new Map<string, SealedKey>()
  lists = 0
  away = false

  async list(): Promise<SealedKey[]> {
    this.#respond()
    this.lists++
    return [...this.rows.values()]
  }

  async add(key: SealedKey): Promise<boolean> {
    this.#respond()
    if (this.rows.has(key.id)) return false
    this.rows.set(key.id, key)
    return true
  }

  async replace(id: string, sealed: string): Promise<boolean> {
    this.#respond()
    const row = this.rows.get(id)
    if (!row) return false
    this.rows.set(id, { ...row, sealed })
    return true
  }

  async remove(id: string): Promise<void> {
    this.#respond()
    this.rows.delete(id)
  }

  #respond(): void {
    if (this.away) throw new StoreUnavailable('the test took it away')
  }
}
