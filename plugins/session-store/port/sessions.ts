// The part of the store port about sessions and the revocation log: what is kept, what a verb is given, what comes of it. Times are
// milliseconds of the store's own clock unless a name ends in `Seconds`.
import type { EndReason } from '../../audit/reasons/index.ts'

/** One login on one device. Constant in size, however often it is rotated. */
export interface Session {
  /** 32 base64url characters; the first 8 are the subject's tag (a keyed hash of `sub`). */
  sid: string
  sub: string
  /** The newest refresh token's generation: 1 at login, +1 at each rotation. */
  generation: number
  /**
   * The highest generation that its client has certainly received: its refresh token was presented, or its access token was seen
   * in use. 0: none yet.
   */
  provenGeneration: number
  /** When generations g, g-1 and g-2 were made, skipped ones when they were skipped (newest first; as many as there are). Never empty. */
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
export type RevocationEntry = { at: number } & (
  | { kind: 'session'; sid: string; sub: string; reason: EndReason }
  | { kind: 'subject'; sub: string; reason: EndReason }
  | { kind: 'everyone'; reason: EndReason }
  | { kind: 'token'; jti: string }
  | { kind: 'signing_key'; kid: string }
)

/** The entry of one session: what a verb that ends sessions answers with. */
export type SessionRevocation = Extract<RevocationEntry, { kind: 'session' }>

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
  /**
   * `concurrent`: `session` holds the newest generation as before, to be given again. `lost_answer`: a fresh generation;
   * those between the presented one and it are skipped.
   */
  | { outcome: 'retried'; session: Session; why: 'lost_answer' | 'concurrent' }
  /** The session has been revoked when this returns. */
  | { outcome: 'reused'; session: Session; revocations: SessionRevocation[] }
  /** The user was changed, disabled or removed since the session began: it has been revoked (`user_disabled`) likewise. */
  | { outcome: 'user_changed'; session: Session; revocations: SessionRevocation[] }
  /** The store had lost the presented generation, adopted it and rotated it (docs/architecture.md#the-life-of-a-failover). */
  | { outcome: 'healed'; session: Session; lostGenerations: number }
  | { outcome: 'ahead'; session: Session }
  | { outcome: 'expired'; session: Session; why: 'idle' | 'absolute' }
  | { outcome: 'revoked'; session: Session; reason: EndReason }
  | { outcome: 'unknown' }

/** What ended: empty when there was nothing live to end (unknown, expired or ended before). */
export interface EndOutcome {
  revocations: SessionRevocation[]
}

/** A generation of a session whose access token was seen in use. */
export interface DeliveredGeneration {
  sid: string
  generation: number
}

/** A place in the revocation log; opaque, ordered by the store. */
export type LogPosition = string

export interface RevocationPage {
  revocations: RevocationEntry[]
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

/** Behind one session of a subject; or, without `session`, behind all of them. What it names need not be there (any more). */
export interface SessionPlace {
  sub: string
  session?: { createdAt: number; sid: string }
}

export interface SessionPage {
  sessions: Session[]
  /** Where to go on; absent on the last page. */
  next?: SessionPlace
}

export interface SessionStore {
  /**
   * Starts a session, ending the subject's oldest beyond `maxSessions`. It is never dated before the last end of all of the
   * subject's sessions, whatever became of the clock since: what that end refuses is what came before it.
   * @returns `created`, or `user_changed` with nothing written
   */
  create(session: NewSession): Promise<CreateOutcome>
  /**
   * The rotation decision (docs/architecture.md#the-rotation-decision) and its effect, in one step.
   * @param graceMs how long a superseded token is honoured after its successor was made, in ms
   */
  rotate(presented: Presented, graceMs: number): Promise<RotateOutcome>
  /** The session or its tombstone; undefined when the store holds neither. */
  read(sid: string): Promise<Session | undefined>
  /** The subject's live sessions (not ended, not expired), newest login first. */
  list(sub: string): Promise<Session[]>
  /** All live sessions in the order of session-page.ts, at most `limit` of them behind `after`; bounded work whatever there is. */
  listAll(after: SessionPlace | undefined, limit: number): Promise<SessionPage>
  /**
   * Notes that generations have arrived, where that is news; what ended or is unknown is passed over. Idempotent.
   * @returns those that a late retry has skipped, each once: a newer one has been given, and none was known to have arrived. The
   *   owner or a thief holds such a generation
   */
  markDelivered(marks: readonly DeliveredGeneration[]): Promise<DeliveredGeneration[]>
  /** Ends one session: a tombstone stays until its absolute expiry. Idempotent; the first reason stays. */
  end(sid: string, reason: EndReason): Promise<EndOutcome>
  /** Ends all live sessions of a subject, but `exceptSid`; without one the log names the subject, too. `at`: when, ms. */
  endAll(sub: string, reason: EndReason, exceptSid?: string): Promise<EndOutcome & { at: number }>
  /**
   * Ends every session of everybody that exists, whatever clock dated it: no refresh of one succeeds after this has answered,
   * and the log says so to every node.
   * @returns when, ms: the global not-before
   */
  endEveryone(reason: EndReason): Promise<{ at: number }>
  /** Puts an entry into the log, which dates it, and does nothing else. Idempotent for its readers. */
  revoke(revocation: BareRevocation): Promise<RevocationEntry>
  /**
   * The revocation log later than `after`, oldest first; waits up to `waitMs` when there is nothing yet.
   * @param after a position from an earlier page, or a time in ms to begin from
   */
  readRevocations(after: LogPosition | { sinceMs: number }, waitMs: number): Promise<RevocationPage>
}
