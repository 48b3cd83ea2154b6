// Local identities: checks a user name and password with constant work, and writes users. Decorates `app.credentials`. It
// must never answer faster or otherwise for a user that does not exist.
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Problem, problem } from '../errors/index.ts'
import type { User, UserChange, UserStore } from '../session-store/port/store.ts'
import type { QueuePlace } from './fair-queue.ts'
import { HashingQueue } from './hashing-queue.ts'
import {
  type HashingCost,
  hashPassword,
  needsRehash,
  newPasswordProblem,
  owaspCost,
  passwordProblem,
  verifyPassword,
} from './password.ts'
import { contextOf, violationOf } from './strength.ts'
import { canonicalUserName, userNameRule } from './user-name.ts'

declare module 'fastify' {
  interface FastifyInstance {
    credentials: Credentials
  }
}

export interface CredentialsOptions {
  /** Passwords that are hashed at a time. */
  concurrency: number
  /** Passwords that may wait to be hashed; beyond that 503. */
  queue: number
  /** The URL of this service: no password may be made of its name. */
  issuer: string
  /** Cost of new hashes; cheaper ones are replaced at the next login; OWASP's when absent. */
  cost?: HashingCost
  /** A clock, ms; this node's when absent. */
  clock?: () => number
}

/** How a password is checked, beside the name and the password. */
export interface CheckOptions {
  /** Up this user name has begun already, with `find`. */
  looking?: Promise<User | undefined>
  /** Whose turn it takes in the hashing queue; that of those who are signed in when absent. */
  place?: QueuePlace
}

/** A user to create, as typed. */
export interface Registration {
  username: string
  password: string
  roles: readonly string[]
  scope: string
}

export type CreateUserOutcome =
  | { outcome: 'created'; sub: string }
  | { outcome: 'exists'; sub: string }
  /** `field` cannot be used, `message` says why. Nothing was written. */
  | { outcome: 'invalid'; field: 'username' | 'password'; message: string }

// No user has this subject, so that a name that is not canonical costs the same look-up as one that is.
const noSubject = ''

/** The checks and writes behind `app.credentials`. */
export class Credentials {
  readonly #users: UserStore
  readonly #queue: HashingQueue
  readonly #cost: HashingCost
  readonly #dummyHash: string
  readonly #issuer: string

  constructor(
    users: UserStore,
    queue: HashingQueue,
    { cost, dummyHash, issuer }: { cost: HashingCost; dummyHash: string; issuer: string },
  ) {
    this.#users = users
    this.#queue = queue
    this.#cost = cost
    this.#dummyHash = dummyHash
    this.#issuer = issuer
  }

  /** How many hashes run, and how many wait. */
  get hashing(): { running: number; waiting: number } {
    return this.#queue.load
  }

  /**
   * Looks a user up: one look-up, whoever it is.
   * @param username as typed
   * @returns what `check` wants to know; nobody may hear of it before the password was right
   * @throws StoreUnavailable
   */
  find(username: string): Promise<User | undefined> {
    return this.#users.find(canonicalUserName(username) ?? noSubject)
  }

  /**
   * Checks a user name and password: one look-up and one hash, whoever it is. A hash of lower cost is replaced.
   * @param password one that `passwordProblem` has nothing against
   * @returns the user, or undefined: unknown, disabled, or another password
   * @throws Problem `overloaded` when hashing has no room; StoreUnavailable
   */
  async check(username: string, password: string, options: CheckOptions = {}): Promise<User | undefined> {
    const { looking = this.find(username), place = [] } = options
    const user = await looking
    const passwordHash = user?.passwordHash ?? this.#dummyHash
    const matches = await this.#queue.run(place, () => verifyPassword(passwordHash, password))
    if (!matches || !user || user.disabled) return undefined
    if (needsRehash(user.passwordHash, this.#cost)) await this.#rehash(user, password)
    return user
  }

  /**
   * Refuses a new password that is easy to guess. It takes some milliseconds, so the caller has shown who it is.
   * @param path where in the body it stands, a JSON pointer
   * @throws Problem `weak_password`
   */
  async requireStrength(sub: string, password: string, path: string): Promise<void> {
    const message = await violationOf(password, contextOf(sub, this.#issuer))
    if (message === undefined) return
    throw problem('weak_password', { detail: 'password_weak', errors: [{ in: 'body', path, message }] })
  }

  /**
   * Creates a user.
   * @returns what became of it: `created`, `exists` (nothing changed) or `invalid`
   * @throws Problem `weak_password`, `overloaded`; StoreUnavailable
   */
  async create(registration: Registration): Promise<CreateUserOutcome> {
    const sub = canonicalUserName(registration.username)
    if (sub === undefined) return { outcome: 'invalid', field: 'username', message: userNameRule }
    const message = newPasswordProblem(registration.password)
    if (message) return { outcome: 'invalid', field: 'password', message }
    await this.requireStrength(sub, registration.password, '/password')
    const passwordHash = await this.hash(registration.password)
    const { roles, scope } = registration
    const added = await this.#users.add({ sub, passwordHash, roles, scope })
    return { outcome: added ? 'created' : 'exists', sub }
  }

  /**
   * Sets the password of a user whose old one was right. The caller ends the user's sessions.
   * @param user as `check` gave it: while the new password was hashed, an administrator may have set another or disabled the
   * user, and that must stand
   * @param password one that `passwordProblem` has nothing against
   * @returns false when the user was changed meanwhile; nothing is changed then
   * @throws Problem `overloaded`; StoreUnavailable
   */
  async setPassword({ sub, revision }: Pick<User, 'sub' | 'revision'>, password: string): Promise<boolean> {
    return this.#users.change(sub, { passwordHash: await this.hash(password) }, revision)
  }

  /**
   * Changes a user; a login in flight is refused by its revision. The caller ends the user's sessions.
   * @returns false when there is no such user
   * @throws StoreUnavailable
   */
  change(sub: string, change: UserChange): Promise<boolean> {
    return this.#users.change(sub, change)
  }

  /**
   * Hashes a password in its turn.
   * @throws Problem `overloaded`
   */
  hash(password: string): Promise<string> {
    return this.#queue.run([], () => hashPassword(password, this.#cost))
  }

  async #rehash(user: User, password: string): Promise<void> {
    try {
      await this.#users.rehash(user.sub, user.passwordHash, await this.hash(password))
    } catch (error) {
      // The password was right: a full queue only puts the new hash off to the next login.
      if (!(error instanceof Problem)) throw error
    }
  }
}

/**
 * Refuses what can be nobody's password, before anything is hashed.
 * @param path where in the body it stands, a JSON pointer
 * @throws Problem `invalid_request`
 */
export function requirePassword(password: string, path: string): void {
  refuseUnusable(passwordProblem(password), path)
}

/**
 * Refuses what may not become anybody's password, before anything is hashed.
 * @param path where in the body it stands, a JSON pointer
 * @throws Problem `invalid_request`
 */
export function requireNewPassword(password: string, path: string): void {
  refuseUnusable(newPasswordProblem(password), path)
}

function refuseUnusable(message: string | undefined, path: string): void {
  if (message === undefined) return
  throw problem('invalid_request', { detail: 'password_unusable', errors: [{ in: 'body', path, message }] })
}

async function credentials(app: FastifyInstance, options: CredentialsOptions): Promise<void> {
  const cost = options.cost ?? owaspCost
  const dummyHash = await hashPassword(randomBytes(16).toString('hex'), cost)
  const onRefused = () => app.audit.record(undefined, { reason: 'hashing_overloaded', granted: false })
  const queue = new HashingQueue({ ...options, onRefused })
  app.decorate('credentials', new Credentials(app.store.users, queue, { cost, dummyHash, issuer: options.issuer }))
}

/** Fastify plugin: decorates `app.credentials`. */
export default fp(credentials, {
  name: 'credentials',
  fastify: '5.x',
  dependencies: ['session-store', 'audit'],
  decorators: { fastify: ['store', 'audit'] },
})
