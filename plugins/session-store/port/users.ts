// The part of the store port about local identities. A record never holds a password, only its hash; what a user may do is in
// it, and sessions are held to its revision (store.ts).

/** A local identity. */
export interface User {
  /** The subject: the canonical user name. */
  sub: string
  /** PHC string of argon2id, its parameters inside. */
  passwordHash: string
  roles: readonly string[]
  /** Space-separated scope granted at login (RFC 6749 section 3.3); may be empty. */
  scope: string
  disabled: boolean
  createdAt: number
  /** 1 when added, +1 at every change of what sessions are granted by (password, roles, scope, disabled). */
  revision: number
}

export interface NewUser {
  sub: string
  passwordHash: string
  roles: readonly string[]
  scope: string
}

export type UserChange = Partial<Pick<User, 'passwordHash' | 'roles' | 'scope' | 'disabled'>>

export interface UserStore {
  find(sub: string): Promise<User | undefined>
  /** @returns false when the subject exists already; nothing is changed then */
  add(user: NewUser): Promise<boolean>
  /**
   * Applies the change and raises `revision`.
   * @param atRevision only if the user is still at this revision; at any when absent
   * @returns false when there is no such user, or none at that revision; nothing is changed then
   * @throws LastAdministrator when no administrator who can sign in would be left; nothing is changed then
   */
  change(sub: string, change: UserChange, atRevision?: number): Promise<boolean>
  /** Replaces a hash by one of the same password (new parameters) if it is still `oldHash`; `revision` stays. */
  rehash(sub: string, oldHash: string, newHash: string): Promise<void>
  /** Users in order of `sub`, later than `after` ('' for the first), at most `limit`. */
  list(after: string, limit: number): Promise<User[]>
  count(): Promise<number>
}
