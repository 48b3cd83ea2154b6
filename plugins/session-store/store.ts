// The store port: what a store must do for the gateway, in the gateway's words. Two adapters implement it, one contract
// suite (test/contract.ts) holds them to it. Every verb is atomic. Times are milliseconds of the store's own clock unless
// a name ends in `Seconds`. Nothing here is secret: a dump of a store holds nothing that can be presented.
import type { EventStore } from './event-store.ts'
import type { SessionPage, SessionPlace } from './session-list.ts'
import type { StoreCondition } from './store-condition.ts'
import type { TryStore } from './try-store.ts'
import type { UserStore } from './user-store.ts'

export type * from './try-store.ts'
export type { NewUser, User, UserChange, UserStore } from './user-store.ts'

/** Why a session ended. Kept in its tombstone until the session's absolute expiry. */
export type EndReason =
  | 'logout'
  | 'revoked_by_user'
  | 'revoked_by_admin'
  | 'revoked_by_reuse'
  | 'session_limit'
  | 'password_changed'
  | 'user_disabled'
  | 'revoked_by_signal'
  | 'login_demanded'

/** One login on one device. Constant in size, however often it is rotated. */
export interface Session {
  /** 32 base64url characters; the first 8 are the subject's tag (a keyed hash of `sub`). */
  sid: string
  sub: string
  /** The newest refresh token's generation: 1 at login, +1 at each rotation. */
  generation: number
  /** The newest generation has been seen in use, so its client has certainly received it. */
  delivered: boolean
  /** When generations g, g-1 and g-2 were made (newest first; as many as there are). Never empty. */
  rotatedAt: readonly number[]
  createdAt: number
  /** Ends the session, whatever is rotated. Carried unchanged in every refresh token. */
  absoluteExpirySeconds: number
  /** The session expires when its newest generation is older than this. */
  idleTtlSeconds: number
  /** Roles and scope as granted at login; a change of either ends the session, so they need no second look-up. */
  roles: readonly string[]
  scope: string
  /** What the client calls itself, <= 64 bytes; a label for people, never trusted. */
  device: string
  /** The address of the login, as text. */
  ip: string
  /** The refresh token was given in a cookie at login; absent: in the body, to a program. */
  inCookie?: true
  /** Authentication methods, RFC 8176 (`pwd`). */
  amr: readonly string[]
  /** `revision` of the user record that the session was granted by; 0: its subject had none. */
  userRevision: number
  /** Set once, when the session is ended: from then on this record is its tombstone. */
  revokedAt?: number
  endReason?: EndReason
}

/** What a login hands to the store; the store adds its clock. */
export interface NewSession {
  sid: string
  sub: string
  idleTtlSeconds: number
  absoluteTtlSeconds: number
  roles: readonly string[]
  scope: string
  device: string
  ip: string
  inCookie?: true
  amr: readonly string[]
  /** Live sessions the subject may have, this one included; beyond it the oldest ends with `session_limit`. */
  maxSessions: number
  /**
   * `revision` of the user record that the password was checked against, 0 for a subject that has none: a login overtaken by a
   * change is refused, and so is every rotation after one.
   */
  userRevision: number
}

/** What a refresh presents: the fields of a token whose MAC has been checked. */
export interface Presented {
  sid: string
  generation: number
  issuedAtSeconds: number
}

/**
 * An entry of the revocation log: from `at` (ms, the store's clock) on, access tokens it names are refused. `subject`, `everyone`
 * name those whose `auth_time` lies before the second of `at`; sessions that began within that second are named one by one.
 */
export type Revocation = { at: number } & (
  | { kind: 'session'; sid: string; sub: string; reason: EndReason }
  | { kind: 'subject'; sub: string; reason: EndReason }
  | { kind: 'everyone'; reason: EndReason }
  | { kind: 'token'; jti: string }
  | { kind: 'signing_key'; kid: string }
)

/** The entry of one session: what a verb that ends sessions answers with. */
export type SessionRevocation = Extract<Revocation, { kind: 'session' }>

/** What is revoked by itself, a session only where the store does not hold it; the log dates it. */
export type BareRevocation =
  | { kind: 'token'; jti: string }
  | { kind: 'signing_key'; kid: string }
  | Omit<SessionRevocation, 'at'>

export type CreateOutcome =
  | { outcome: 'created'; session: Session; revocations: SessionRevocation[] }
  /** The user was changed, disabled or removed since the password was checked. Nothing was written. */
  | { outcome: 'user_changed' }

export type RotateOutcome =
  | { outcome: 'rotated'; session: Session }
  /** Nothing changed: `session` holds the newest generation, to be given again. */
  | { outcome: 'retried'; session: Session; why: 'lost_answer' | 'concurrent' }
  /** The session has been revoked when this returns. */
  | { outcome: 'reused'; session: Session; revocations: SessionRevocation[] }
  /** The user was changed, disabled or removed since the session began: it has been revoked (`user_disabled`) likewise. */
  | { outcome: 'user_changed'; session: Session; revocations: SessionRevocation[] }
  /** The store had lost the presented generation and adopted it (design 2.3): rotated from there. */
  | { outcome: 'healed'; session: Session; lostGenerations: number }
  | { outcome: 'ahead'; session: Session }
  | { outcome: 'expired'; session: Session; why: 'idle' | 'absolute' }
  | { outcome: 'revoked'; session: Session; reason: EndReason }
  | { outcome: 'unknown' }

/** What ended: empty when there was nothing live to end (unknown, expired or ended before). */
export interface EndOutcome {
  revocations: SessionRevocation[]
}

/** The newest generation of a session, seen in use. */
export interface DeliveryMark {
  sid: string
  generation: number
}

/** A place in the revocation log; opaque, ordered by the store. */
export type LogPosition = string

export interface RevocationPage {
  revocations: Revocation[]
  /** Where to go on reading. */
  position: LogPosition
  /** Entries of the page that this version does not know: skipped, never fatal. */
  unknownEntries: number
  /**
   * The log may have lost what came after the position asked for (trimmed under a slow reader, a new primary): the reader
   * must load everything young enough again. Never true for a page read from a time.
   */
  hasGap: boolean
}

export interface SessionStore {
  /**
   * Starts a session, ending the subject's oldest beyond `maxSessions`. It is never dated before the last end of all of the
   * subject's sessions, whatever became of the clock since: what that end refuses is what came before it.
   * @returns `created`, or `user_changed` with nothing written
   */
  create(session: NewSession): Promise<CreateOutcome>
  /**
   * The rotation decision (design 2.1) and its effect, in one step.
   * @param graceMs how long a superseded token is honoured after its successor was made, in ms
   */
  rotate(presented: Presented, graceMs: number): Promise<RotateOutcome>
  /** The session or its tombstone; undefined when the store holds neither. */
  read(sid: string): Promise<Session | undefined>
  /** The subject's live sessions (not ended, not expired), newest login first. */
  list(sub: string): Promise<Session[]>
  /** All live sessions in the order of session-list.ts, at most `limit` of them behind `after`; bounded work whatever there is. */
  listAll(after: SessionPlace | undefined, limit: number): Promise<SessionPage>
  /** Marks generations as delivered where they are still the newest; anything else is ignored. Idempotent. */
  markDelivered(marks: readonly DeliveryMark[]): Promise<void>
  /** Ends one session: a tombstone stays until its absolute expiry. Idempotent; the first reason stays. */
  end(sid: string, reason: EndReason): Promise<EndOutcome>
  /** Ends all live sessions of a subject, but `exceptSid`; without one the log names the subject, too. `at`: when, ms. */
  endAll(sub: string, reason: EndReason, exceptSid?: string): Promise<EndOutcome & { at: number }>
  /**
   * Ends every session of everybody that exists, whatever clock dated it: no refresh of one succeeds after this has answered, and the log
   * says so to every node.
   * @returns when, ms: the global not-before
   */
  endEveryone(reason: EndReason): Promise<{ at: number }>
  /** Puts an entry into the log, which dates it, and does nothing else. Idempotent for its readers. */
  revoke(revocation: BareRevocation): Promise<Revocation>
  /**
   * The revocation log later than `after`, oldest first; waits up to `waitMs` when there is nothing yet.
   * @param after a position from an earlier page, or a time in ms to begin from
   */
  readRevocations(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage>
}

/** A key, sealed under a key derived from CARDEA_SECRET. The store never sees what is in it. */
export interface SealedKey {
  /** The `kid` of a signing key; a fixed word for other uses. */
  id: string
  use: 'signing' | 'subject-tag'
  /** JWS algorithm of a signing key; empty otherwise. */
  alg: string
  createdAt: number
  /** From when on it may sign; it is published before. */
  activeFrom: number
  /** base64url. */
  sealed: string
}

export interface KeyStore {
  list(): Promise<SealedKey[]>
  /** @returns false when a key of this id exists already, or was removed; nothing is changed then */
  add(key: SealedKey): Promise<boolean>
  /**
   * Replaces the sealed text of a key: the same key, sealed under a newer secret.
   * @returns false when there is no key of this id; nothing is changed then
   */
  replace(id: string, sealed: string): Promise<boolean>
  /** Removes a key for good: its id is never taken again. Idempotent. */
  remove(id: string): Promise<void>
}

/** One store: five interfaces over one database. */
export interface Store {
  /** `embedded (data/cardea.db)`: for the banner and the operators. */
  readonly description: string
  readonly sessions: SessionStore
  readonly users: UserStore
  readonly keys: KeyStore
  readonly tries: TryStore
  readonly events: EventStore
  /** What is the matter with it though it answers. */
  readonly condition: StoreCondition
  /** The store's clock, ms. */
  now(): Promise<number>
  /** Rejects when the store cannot serve now. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Thrown by any verb when the store cannot answer: the caller answers 503 and changes nothing. */
export class StoreUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreUnavailable'
  }
}
