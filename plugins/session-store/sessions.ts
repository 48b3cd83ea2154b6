// Sessions as the routes see them: tokens in, tokens out. Between the routes and the store port; it reads and writes refresh
// tokens, records what happened, and tells listeners what ended. It never decides: `decide` and the store do.
import type { FastifyRequest } from 'fastify'
import type { Audit, AuditEvent } from '../audit/index.ts'
import { givesToken, type Reason, reasonTable } from '../audit/reasons/index.ts'
import type { EvenLimit } from '../collections/even-limit.ts'
import { LruMap } from '../collections/lru-map.ts'
import type { Secret } from '../keys/secrets.ts'
import type { DeliveryProof } from './delivery-proof.ts'
import { deviceLabel } from './device-label.ts'
import { reasonOf } from './outcome-reason.ts'
import type { SessionPage, SessionPlace } from './port/sessions.ts'
import type {
  BareRevocation,
  EndReason,
  NewSession,
  Presented,
  RevocationEntry,
  Session,
  SessionRevocation,
  SessionStore,
  User,
} from './port/store.ts'
import { newSid, type RefreshTokenClaims, readRefreshToken, subjectTag, writeRefreshToken } from './refresh-token.ts'
import { type RetryBinding, retryViolation } from './retry-binding.ts'

export interface SessionPolicy {
  /** How long a superseded token is honoured, ms. */
  graceMs: number
  /** How long a session may go without a rotation. */
  idleTtlSeconds: number
  /** How long a session lives, whatever happens. */
  absoluteTtlSeconds: number
  /** Live sessions a subject may have. */
  maxSessions: number
  /** Whose retry of a superseded token is honoured. */
  retryBinding: RetryBinding
}

export interface SessionsOptions {
  store: SessionStore
  secrets: readonly Secret[]
  subjectTagKey: Buffer
  policy: SessionPolicy
  audit: Audit
  delivery: DeliveryProof
  refreshLimit?: EvenLimit | undefined
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
  /** The session has been rotated too often lately: nothing has changed. */
  | { outcome: 'limited'; retryAfterMs: number }

export class Sessions {
  readonly #options: SessionsOptions
  readonly #writingSecret: Secret
  /** Sessions that the store did not hold when they were ended. */
  readonly #endedLost = new LruMap<true>(10_000)
  readonly #revocationListeners: ((revocation: RevocationEntry) => void)[] = []

  constructor(options: SessionsOptions) {
    const [newest] = options.secrets
    if (!newest) throw new Error('Sessions need at least one secret.')
    this.#options = options
    this.#writingSecret = newest
  }

  /** Calls `listener` for whatever this node revokes, before the verb that did it returns. */
  onRevoked(listener: (revocation: RevocationEntry) => void): void {
    this.#revocationListeners.push(listener)
  }

  /**
   * Starts a session for a user whose password was right.
   * @param user as read before the password was checked
   * @param scope granted scope, space-separated
   * @param isInCookie the refresh token goes into the cookie, not into the body
   * @returns the grant, or undefined when the user was changed or disabled meanwhile
   */
  async start(user: User, scope: string, request: FastifyRequest, isInCookie = false): Promise<Grant | undefined> {
    const session = this.#newSession(user, scope, request)
    const created = await this.#options.store.create({ ...session, ...(isInCookie && { inCookie: true }) })
    if (created.outcome === 'user_changed') return undefined
    this.#announce(created.revocations)
    this.#recordEnds(created.revocations, request)
    return this.#grant(created.session)
  }

  /**
   * Presents a refresh token (RFC 6749 section 6, RFC 9700 section 4.14.2). A forged or malformed one meets no store call and
   * ends nothing.
   * @param isByCookie the token came in the cookie, not in the body
   */
  async refresh(refreshToken: string, request: FastifyRequest, isByCookie = false): Promise<RefreshOutcome> {
    const { delivery, policy, refreshLimit, secrets, store, audit } = this.#options
    const presented = readRefreshToken(refreshToken, secrets)
    if (!presented) {
      audit.record(request, { reason: 'forged', granted: false })
      return { outcome: 'refused', reason: 'forged' }
    }
    const { sid, generation, issuedAtSeconds } = presented
    const retryAfterMs = refreshLimit?.waitMs(sid) ?? 0
    if (retryAfterMs > 0 && (await this.#wouldRotate(presented))) {
      audit.record(request, { reason: 'refresh_limited', granted: false, sid, generation, issuedAtSeconds })
      return { outcome: 'limited', retryAfterMs }
    }
    // Sent before the rotation on the same connection, so that the decision knows what this node has seen; not waited for.
    void delivery.flushSession(sid)
    const rotated = await store.rotate(presented, policy.graceMs)
    const session = 'session' in rotated ? rotated.session : undefined
    const event = { sid, generation, issuedAtSeconds, sub: session?.sub, session }
    if (rotated.outcome === 'retried') {
      const client = { label: deviceLabel(request.headers['user-agent'] ?? ''), isByCookie }
      const violation = retryViolation(rotated.session, client, policy.retryBinding)
      if (violation !== undefined) return this.#refuseRetry({ ...event, detail: violation }, request)
    }
    // A token says when its session ends at the latest, and nothing changes that: a record that says otherwise is not ours.
    const isForged = session !== undefined && session.absoluteExpirySeconds !== presented.absoluteExpirySeconds
    const reason = isForged ? 'record_forged' : reasonOf(rotated)
    const granted = givesToken(reasonTable[reason])
    if (rotated.outcome === 'retried' && rotated.why === 'lost_answer')
      delivery.skipped(sid, generation, rotated.session.generation)
    if (rotated.outcome === 'rotated' || rotated.outcome === 'healed') refreshLimit?.count(sid)
    const detail = rotated.outcome === 'healed' ? `${rotated.lostGenerations} lost generations adopted` : undefined
    const revocations = 'revocations' in rotated ? rotated.revocations : []
    this.#announce(revocations)
    audit.record(request, { ...event, reason, granted, detail })
    this.#recordEnds(revocations, request)
    return granted && session ? { outcome: 'granted', grant: this.#grant(session) } : { outcome: 'refused', reason }
  }

  // The newest generation rotates, or one that the store has lost. A superseded one that comes again is a retry or reuse, and is
  // checked whatever the limit says.
  async #wouldRotate({ sid, generation }: Presented): Promise<boolean> {
    const session = await this.#options.store.read(sid)
    return session !== undefined && session.revokedAt === undefined && generation >= session.generation
  }

  /** What a refresh token says; undefined for what this gateway did not write. No store call. */
  claimsOf(refreshToken: string): RefreshTokenClaims | undefined {
    return readRefreshToken(refreshToken, this.#options.secrets)
  }

  /** Whether a sid is one of a subject's. No store call. */
  isOf(sid: string, sub: string): boolean {
    return sid.startsWith(subjectTag(sub, this.#options.subjectTagKey))
  }

  /**
   * Ends a session. When this returns, no refresh of it succeeds on any node. Of a session that the store does not hold, it may
   * have lost it, the access tokens are revoked all the same.
   * @param sub whose it is, where that is known
   * @returns whether a live session ended
   */
  async end(sid: string, reason: EndReason, request?: FastifyRequest, sub = ''): Promise<boolean> {
    const { revocations } = await this.#options.store.end(sid, reason)
    this.#announce(revocations)
    this.#recordEnds(revocations, request)
    if (revocations.length === 0) await this.#endLost({ kind: 'session', sid, sub, reason }, request)
    return revocations.length > 0
  }

  // Once is enough: a session that the store does not hold gets no new access tokens.
  async #endLost(
    lost: Extract<BareRevocation, { kind: 'session' }>,
    request: FastifyRequest | undefined,
  ): Promise<void> {
    const { sid, sub, reason } = lost
    if (this.#endedLost.get(sid) || (await this.#options.store.read(sid))) return
    this.#tell(await this.#options.store.revoke(lost))
    this.#endedLost.set(sid, true)
    const detail = 'the store does not hold the session'
    this.#options.audit.record(request, { reason, granted: true, sid, sub: sub || undefined, detail })
  }

  /**
   * Ends all sessions of a subject, but `exceptSid`.
   * @returns how many ended
   */
  async endAll(sub: string, reason: EndReason, exceptSid?: string, request?: FastifyRequest): Promise<number> {
    const { revocations, at } = await this.#options.store.endAll(sub, reason, exceptSid)
    this.#announce(revocations)
    // Tokens of sessions that the store does not know any more end here at once as well, not when the log comes round.
    if (exceptSid === undefined) this.#tell({ kind: 'subject', sub, at, reason })
    this.#recordEnds(revocations, request)
    return revocations.length
  }

  /**
   * Ends every session of everybody. When this returns, no refresh of one that began before, by whatever clock, succeeds on any node.
   * @returns the global not-before, ms
   */
  async endEveryone(reason: EndReason): Promise<{ at: number }> {
    const { at } = await this.#options.store.endEveryone(reason)
    this.#tell({ kind: 'everyone', at, reason })
    return { at }
  }

  /** Revokes one access token, or all that one key has signed. */
  async revoke(revocation: Exclude<BareRevocation, { kind: 'session' }>): Promise<void> {
    this.#tell(await this.#options.store.revoke(revocation))
  }

  /** The subject's live sessions, newest login first. */
  list(sub: string): Promise<Session[]> {
    return this.#options.store.list(sub)
  }

  /**
   * All live sessions, by subject, a page at a time.
   * @param after `next` of the page before; undefined for the first one
   * @param limit sessions of a page
   */
  listAll(after: SessionPlace | undefined, limit: number): Promise<SessionPage> {
    return this.#options.store.listAll(after, limit)
  }

  /** The session or its tombstone. */
  read(sid: string): Promise<Session | undefined> {
    return this.#options.store.read(sid)
  }

  // A retry from another client is reuse. Two verbs, and as sound as one: the token of a retry is not handed out, and an end is
  // final, whatever came between. A rotation in between is as if it had come just before; an end in
  // between keeps its reason; a store that goes away in between makes this a 503, with nothing given and the next attempt checked
  // anew. So the one verb that every refresh runs need not know what a client looks like.
  async #refuseRetry(
    event: Omit<AuditEvent, 'reason' | 'granted'> & { sid: string },
    request: FastifyRequest,
  ): Promise<RefreshOutcome> {
    const { revocations } = await this.#options.store.end(event.sid, 'revoked_by_reuse')
    this.#announce(revocations)
    this.#options.audit.record(request, { reason: 'reused', granted: false, ...event })
    this.#recordEnds(revocations, request)
    return { outcome: 'refused', reason: 'reused' }
  }

  #newSession(user: User, scope: string, request: FastifyRequest): NewSession {
    const { idleTtlSeconds, absoluteTtlSeconds, maxSessions } = this.#options.policy
    return {
      sid: newSid(user.sub, this.#options.subjectTagKey),
      sub: user.sub,
      roles: user.roles,
      scope,
      device: deviceLabel(request.headers['user-agent'] ?? ''),
      ip: request.clientAddress,
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

  // All of it before any of it is reported: what protects comes first.
  #announce(revocations: readonly SessionRevocation[]): void {
    for (const revocation of revocations) this.#tell(revocation)
  }

  #recordEnds(revocations: readonly SessionRevocation[], request: FastifyRequest | undefined): void {
    const { audit } = this.#options
    for (const { sid, sub, reason } of revocations) audit.record(request, { reason, granted: true, sid, sub })
  }

  #tell(revocation: RevocationEntry): void {
    for (const listener of this.#revocationListeners) listener(revocation)
  }
}
