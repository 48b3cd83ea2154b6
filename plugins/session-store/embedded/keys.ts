// The sealed keys of the embedded store. What is sealed in them it cannot read.

import type { KeyStore, SealedKey } from '../port/store.ts'
import type { Database } from './database.ts'

export class EmbeddedKeys implements KeyStore {
  readonly #database: Database
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database) {
    this.#database = database
    this.#statements = prepareStatements(database)
  }

  async list(): Promise<SealedKey[]> {
    // Boundary: the columns of a STRICT table that only this program writes.
    const rows = this.#database.read(() => this.#statements.list.all()) as unknown as SealedKey[]
    return rows.map((row) => ({ ...row }))
  }

  // On the disk before it is answered: what a lost key has signed could never be verified again.
  async add({ id, use, alg, createdAt, activeFrom, sealed }: SealedKey): Promise<boolean> {
    const add = () => this.#statements.insert.run(id, use, alg, createdAt, activeFrom, sealed).changes === 1
    return this.#database.writeDurably(add)
  }

  async replace(id: string, sealed: string): Promise<boolean> {
    return this.#database.writeDurably(() => this.#statements.replace.run(sealed, id).changes === 1)
  }

  async remove(id: string): Promise<void> {
    this.#database.writeDurably(() => this.#statements.remove.run(id))
  }
}

function prepareStatements(database: Database) {
  return {
    list: database.prepare(`
      SELECT id, use, alg, createdAt, activeFrom, sealed FROM keys WHERE use <> 'removed' ORDER BY activeFrom, id`),
    insert: database.prepare(`
      INSERT INTO keys (id, use, alg, createdAt, activeFrom, sealed) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO NOTHING`),
    replace: database.prepare("UPDATE keys SET sealed = ? WHERE id = ? AND use <> 'removed'"),
    // What stays is a tombstone: nobody adds the key again who has not heard of it.
    remove: database.prepare(`
      INSERT INTO keys (id, use, alg, createdAt, activeFrom, sealed) VALUES (?, 'removed', '', 0, 0, '')
      ON CONFLICT (id) DO UPDATE SET use = 'removed', sealed = ''`),
  }
}
