// Sessions as the routes see them: tokens in, tokens out. Between the routes and the store port; it reads and writes refresh
// tokens, records what happened, and tells listeners what ended. It never decides: `decide` and the store do.
import type { FastifyRequest } from 'fastify'
import type { Secret } from '../secrets.ts'
import type { Reason, Usage } from '../usage.ts'
import type { Delivery } from './delivery.ts'
import { deviceLabel } from './device-label.ts'
import { newSid, readRefreshToken, writeRefreshToken } from './refresh-token.ts'
import type { EndReason, NewSession, Revocation, RotateOutcome, Session, SessionStore, User } from './store.ts'

export interface SessionPolicy {
  /** How long a superseded token is honoured, ms. */
  graceMs: number
  idleTtlSeconds: number
  absoluteTtlSeconds: number
  /** Live sessions a subject may have. */
  maxSessions: number
}

export interface SessionsOptions {
  store: SessionStore
  /** Newest first. */
  secrets: readonly Secret[]
  subjectTagKey: Buffer
  policy: SessionPolicy
  usage: Usage
  delivery: Delivery
}

/** What a login or a refresh gives. */
export interface Grant {
  session: Session
  refreshToken: string
}

export type RefreshOutcome =
  | { outcome: 'granted'; grant: Grant }
  /** `reason` is for the event and the log; the client hears `invalid_grant` whatever it is. */
  | { outcome: 'refused'; reason: Reason }

export class Sessions {
  readonly #options: SessionsOptions
  readonly #writingSecret: Secret
  readonly #endListeners: ((revocation: Revocation) => void)[] = []

  constructor(options: SessionsOptions) {
    const [newest] = options.secrets
    if (!newest) throw new Error('Sessions need at least one secret.')
    this.#options = options
    this.#writingSecret = newest
  }

  /** Calls `listener` for each session this node ends, before the verb that ended it returns. */
  onEnded(listener: (revocation: Revocation) => void): void {
    this.#endListeners.push(listener)
  }

  /**
   * Starts a session for a user whose password was right.
   * @param user as read before the password was checked
   * @param scope granted scope, space-separated
   * @returns the grant, or undefined when the user was changed or disabled meanwhile
   */
  async start(user: User, scope: string, request: FastifyRequest): Promise<Grant | undefined> {
    const created = await this.#options.store.create(this.#newSession(user, scope, request))
    if (created.outcome === 'user_changed') return undefined
    this.#announce(created.revocations, request)
    return this.#grant(created.session)
  }

  /**
   * Presents a refresh token (RFC 6749 section 6, RFC 9700 section 4.14.2). A forged or malformed one meets no store call and
   * ends nothing.
   */
  async refresh(refreshToken: string, request: FastifyRequest): Promise<RefreshOutcome> {
    const presented = readRefreshToken(refreshToken, this.#options.secrets)
    if (!presented) {
      this.#options.usage.record(request, { reason: 'forged', granted: false })
      return { outcome: 'refused', reason: 'forged' }
    }
    // Sent before the rotation on the same connection, so that the decision knows what this node has seen.
    const marked = this.#options.delivery.flush()
    const rotated = await this.#options.store.rotate(presented, this.#options.policy.graceMs)
    await marked
    const reason = reasonOf(rotated)
    const granted = rotated.outcome === 'rotated' || rotated.outcome === 'retried'
    const session = 'session' in rotated ? rotated.session : undefined
    const { sid, generation } = presented
    this.#options.usage.record(request, { reason, granted, sid, generation, sub: session?.sub })
    if (rotated.outcome === 'reused') this.#announce(rotated.revocations, request)
    return granted ? { outcome: 'granted', grant: this.#grant(rotated.session) } : { outcome: 'refused', reason }
  }

  /** The session a refresh token belongs to; undefined for what this gateway did not write. No store call. */
  sidOf(refreshToken: string): string | undefined {
    return readRefreshToken(refreshToken, this.#options.secrets)?.sid
  }

  /**
   * Ends a session. When this returns, no refresh of it succeeds on any node.
   * @returns whether a live session ended
   */
  async end(sid: string, reason: EndReason, request?: FastifyRequest): Promise<boolean> {
    const { revocations } = await this.#options.store.end(sid, reason)
    this.#announce(revocations, request)
    return revocations.length > 0
  }

  /**
   * Ends all sessions of a subject, but `exceptSid`.
   * @returns how many ended
   */
  async endAll(sub: string, reason: EndReason, exceptSid?: string, request?: FastifyRequest): Promise<number> {
    const { revocations } = await this.#options.store.endAll(sub, reason, exceptSid)
    this.#announce(revocations, request)
    return revocations.length
  }

  /** The subject's live sessions, newest login first. */
  list(sub: string): Promise<Session[]> {
    return this.#options.store.list(sub)
  }

  /** The session or its tombstone. */
  read(sid: string): Promise<Session | undefined> {
    return this.#options.store.read(sid)
  }

  #newSession(user: User, scope: string, request: FastifyRequest): NewSession {
    const { idleTtlSeconds, absoluteTtlSeconds, maxSessions } = this.#options.policy
    return {
      sid: newSid(user.sub, this.#options.subjectTagKey),
      sub: user.sub,
      roles: user.roles,
      scope,
      device: deviceLabel(request.headers['user-agent'] ?? ''),
      ip: request.ip,
      amr: ['pwd'],
      userRevision: user.revision,
      idleTtlSeconds,
      absoluteTtlSeconds,
      maxSessions,
    }
  }

  #grant(session: Session): Grant {
    return { session, refreshToken: writeRefreshToken(session, this.#writingSecret) }
  }

  #announce(revocations: readonly Revocation[], request: FastifyRequest | undefined): void {
    for (const revocation of revocations) {
      for (const listener of this.#endListeners) listener(revocation)
      const { sid, sub, reason } = revocation
      this.#options.usage.record(request, { reason, granted: true, sid, sub })
    }
  }
}

function reasonOf(rotated: RotateOutcome): Reason {
  switch (rotated.outcome) {
    case 'rotated':
    case 'reused':
      return rotated.outcome
    case 'retried':
      return rotated.why === 'lost_answer' ? 'retried_lost_answer' : 'retried_concurrent'
    case 'expired':
      return rotated.why === 'idle' ? 'expired_idle' : 'expired_absolute'
    case 'ahead':
      return 'ahead_refused'
    case 'revoked':
      return 'session_ended'
    case 'unknown':
      return 'unknown_session'
  }
}
