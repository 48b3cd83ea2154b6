// Sessions and their tokens, from the store up: the one order in which the plugins of sign-in are registered and what they are
// given, for the gateway and for the plugin `cardea` alike.
import type { FastifyInstance } from 'fastify'
import accessTokens, { toleratedClockMs } from '../access-tokens/index.ts'
import type { SigningAlgorithm } from '../access-tokens/key-material.ts'
import auditTrail, { type AuditTrailOptions } from '../audit/trail.ts'
import authenticate from '../authenticate.ts'
import { monotonicOf } from '../clocks/clock-watch.ts'
import clocks from '../clocks/index.ts'
import credentials from '../credentials/index.ts'
import type { AttemptRate } from '../credentials/login-budgets.ts'
import loginLimit from '../credentials/login-limit.ts'
import type { HashingCost } from '../credentials/password.ts'
import type { Secret } from '../keys/secrets.ts'
import type { Totals } from '../metrics/totals.ts'
import revocation, { clockMarginMs } from '../revocation/index.ts'
import sessionStore from '../session-store/index.ts'
import type { Store } from '../session-store/port/store.ts'
import type { SessionPolicy } from '../session-store/sessions.ts'

/** What sign-in can be set to. */
export interface IdentitySettings extends SessionPolicy {
  /** Our URL as clients see it: `iss` of access tokens. */
  issuer: string
  /** Audiences that access tokens can be for; the first one is the default. */
  audiences: readonly string[]
  /** `client_id` of access tokens. */
  clientId: string
  /** How long an access token lives. */
  accessTtlSeconds: number
  /** Leeway for the times of access tokens, 0 to 60. */
  clockToleranceSeconds: number
  /** Keys of access tokens: their algorithm, and how often there is a new one. */
  signing: { alg: SigningAlgorithm; rotateEverySeconds: number }
  /** Failures of one subject: of all strangers together, and of each known device. */
  loginLimit: AttemptRate
  /** Failures from one address, whoever is tried. */
  addressLimit: AttemptRate
  /** Rotations of one session. */
  refreshLimit: AttemptRate | 'off'
  /** Passwords that are hashed at a time, and how many wait beside them. */
  hashing: { concurrency: number; queue: number }
  /** When the revocation log has been silent for longer, this node no longer knows who is revoked. */
  maxStalenessMs: number
  /** What then becomes of a request: 503, or its token is honoured until it expires. */
  onStale: 'reject' | 'serve'
  /** Events that are kept, and steps of a session's timeline. */
  events: { kept: number; timelineEntries: number }
  /** What follows a signal, by rule, and from where on it is one; the rules' own when they are not named. */
  signals: AuditTrailOptions['signals']
  /** Who is told of signals; nobody when absent. */
  webhook?: AuditTrailOptions['webhook']
}

export interface IdentityOptions extends IdentitySettings {
  /** An open store; the app closes it, unless it is only lent. */
  store: Store
  storeIsLent?: boolean
  /** Newest first. */
  secrets: readonly Secret[]
  /** What this process counts. */
  totals: Totals
  /** The app that serves until this one does: it hands over what it knows of clocks and revocations. */
  before?: (() => FastifyInstance | undefined) | undefined
  /** Said of this node in its heartbeat. */
  version: string
  /** Cost of password hashes; OWASP's when absent. */
  hashingCost?: HashingCost | undefined
  /** ms; this node's clock when absent. */
  clock?: (() => number) | undefined
  /** A clock that nobody sets, ms; by default the machine's, or a given `clock`. */
  monotonic?: (() => number) | undefined
}

/**
 * Registers session-store, clocks, revocation, access-tokens, authenticate, credentials, login-limit and audit-trail.
 * @throws StoreUnavailable when the store does not answer; Error when its keys are sealed under another secret
 */
export async function registerIdentity(app: FastifyInstance, options: IdentityOptions): Promise<void> {
  const { accessTtlSeconds, clockToleranceSeconds, issuer, refreshLimit, secrets, signing, totals } = options
  const { graceMs, idleTtlSeconds, absoluteTtlSeconds, maxSessions, retryBinding } = options
  const clock = options.clock ?? Date.now
  await app.register(sessionStore, {
    store: options.store,
    storeIsLent: options.storeIsLent === true,
    secrets,
    policy: { graceMs, idleTtlSeconds, absoluteTtlSeconds, maxSessions, retryBinding },
    refreshLimit: refreshLimit === 'off' ? undefined : { ...refreshLimit, clock },
  })
  const tokenLifeSeconds = accessTtlSeconds + clockToleranceSeconds
  await app.register(clocks, {
    clock,
    monotonic: options.monotonic ?? monotonicOf(clock),
    toleranceMs: toleratedClockMs(clockToleranceSeconds),
    tokenLifeMs: tokenLifeSeconds * 1000 + clockMarginMs,
    before: () => options.before?.()?.clocks,
  })
  await app.register(revocation, {
    keepForSeconds: tokenLifeSeconds,
    before: () => options.before?.()?.revocation,
    maxStalenessMs: options.maxStalenessMs,
    onStale: options.onStale,
    onLearned: (one, isFresh) => totals.propagation.learn(app, one, isFresh, clock()),
  })
  await app.register(accessTokens, {
    secrets,
    issuer,
    audiences: options.audiences,
    clientId: options.clientId,
    ...signing,
    ttlSeconds: accessTtlSeconds,
    clockToleranceSeconds,
    clock,
  })
  await app.register(authenticate)
  const cost = options.hashingCost && { cost: options.hashingCost }
  await app.register(credentials, { ...options.hashing, ...cost, issuer, clock })
  await app.register(loginLimit, { perSubject: options.loginLimit, perAddress: options.addressLimit, secrets, clock })
  await app.register(auditTrail, {
    version: options.version,
    limits: { events: options.events.kept, timelineEntries: options.events.timelineEntries },
    accessTtlSeconds,
    signals: options.signals,
    totals,
    webhook: options.webhook,
    clock,
  })
}
