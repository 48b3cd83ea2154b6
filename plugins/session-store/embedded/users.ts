// The local identities of the embedded store. It never sees a password.
import { administrator, isAdministrator, LastAdministrator } from '../port/administrators.ts'
import type { NewUser, User, UserChange, UserStore } from '../port/store.ts'
import type { Database } from './database.ts'

interface UserRow {
  sub: string
  passwordHash: string
  roles: string
  scope: string
  disabled: number
  createdAt: number
  revision: number
}

export class EmbeddedUsers implements UserStore {
  readonly #database: Database
  readonly #clock: () => number
  readonly #onAdded: () => void
  readonly #statements: ReturnType<typeof prepareStatements>

  /** @param onAdded called when there is a user more */
  constructor(database: Database, clock: () => number, onAdded: () => void) {
    this.#database = database
    this.#onAdded = onAdded
    this.#clock = clock
    this.#statements = prepareStatements(database)
  }

  async find(sub: string): Promise<User | undefined> {
    return this.#database.read(() => this.#find(sub), 'find')
  }

  async add({ sub, passwordHash, roles, scope }: NewUser): Promise<boolean> {
    const user = { sub, passwordHash, roles, scope, disabled: false, createdAt: this.#clock(), revision: 1 }
    const isAdded = this.#database.writeDurably(() => this.#statements.insert.run(toRow(user)).changes === 1)
    if (isAdded) this.#onAdded()
    return isAdded
  }

  // On the disk before it is answered: a password change or a disabling that a power cut undid would let someone back in.
  async change(sub: string, change: UserChange, atRevision?: number): Promise<boolean> {
    const outcome = this.#database.writeDurably(() => {
      const user = this.#find(sub)
      if (!user || user.revision !== (atRevision ?? user.revision)) return 'none'
      const changed = { ...user, ...change, revision: user.revision + 1 }
      if (isAdministrator(user) && !isAdministrator(changed) && !this.#hasOtherAdministrator(sub)) return 'last'
      this.#statements.update.run(toRow(changed))
      return 'changed'
    })
    if (outcome === 'last') throw new LastAdministrator()
    return outcome === 'changed'
  }

  async rehash(sub: string, oldHash: string, newHash: string): Promise<void> {
    // Both hashes are of the same password: losing this one costs another rehash.
    const rehash = () => this.#statements.rehash.run(newHash, sub, oldHash)
    this.#database.write(rehash, () => false)
  }

  async list(after: string, limit: number): Promise<User[]> {
    // Boundary: the columns of a STRICT table that only this program writes.
    const rows = this.#database.read(() => this.#statements.list.all(after, limit)) as unknown as UserRow[]
    return rows.map(toUser)
  }

  async count(): Promise<number> {
    return this.countNow()
  }

  /** As `count`, for whoever opens the store. */
  countNow(): number {
    return this.#database.read(() => Number(this.#statements.count.get()?.['users']))
  }

  #hasOtherAdministrator(sub: string): boolean {
    return this.#statements.otherWith.get(administrator, sub) !== undefined
  }

  #find(sub: string): User | undefined {
    // Boundary: as in list.
    const row = this.#statements.find.get(sub) as unknown as UserRow | undefined
    return row && toUser(row)
  }
}

function prepareStatements(database: Database) {
  return {
    find: database.prepare('SELECT * FROM users WHERE sub = ?'),
    insert: database.prepare(`
      INSERT INTO users (sub, passwordHash, roles, scope, disabled, createdAt, revision)
      VALUES (:sub, :passwordHash, :roles, :scope, :disabled, :createdAt, :revision)
      ON CONFLICT (sub) DO NOTHING`),
    update: database.prepare(`
      UPDATE users SET passwordHash = :passwordHash, roles = :roles, scope = :scope, disabled = :disabled,
        createdAt = :createdAt, revision = :revision
      WHERE sub = :sub`),
    otherWith: database.prepare(`
      SELECT 1 FROM users, json_each(users.roles) AS role
      WHERE role.value = ? AND users.disabled = 0 AND users.sub <> ? LIMIT 1`),
    rehash: database.prepare('UPDATE users SET passwordHash = ? WHERE sub = ? AND passwordHash = ?'),
    list: database.prepare('SELECT * FROM users WHERE sub > ? ORDER BY sub LIMIT ?'),
    count: database.prepare('SELECT count(*) AS users FROM users'),
  }
}

function toRow(user: User): UserRow & Record<string, string | number> {
  const { sub, passwordHash, scope, createdAt, revision } = user
  const disabled = Number(user.disabled)
  return { sub, passwordHash, roles: JSON.stringify(user.roles), scope, disabled, createdAt, revision }
}

function toUser({ sub, passwordHash, roles, scope, disabled, createdAt, revision }: UserRow): User {
  return { sub, passwordHash, roles: JSON.parse(roles), scope, disabled: disabled === 1, createdAt, revision }
}
