// The audit of sessions and tokens, as events with one reason each from a closed list: a log line and a counter. Every plugin
// and route that grants or denies records here; nothing here ever holds a token, a cookie or a password.
import { hostname } from 'node:os'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type NetworkBits, networkNames } from '../clients/network.ts'
import { rememberedLabel } from '../session-store/device-label.ts'
import type { NewEvent } from '../session-store/port/events.ts'
import type { Session } from '../session-store/port/store.ts'
import { type Counts, countUp, newCounts } from './counts.ts'

declare module 'fastify' {
  interface FastifyInstance {
    audit: Audit
  }
}

/** Every reason an event can have, and what it means. The list is closed: metrics and the operators' page count by it. */
export const reasonTable = {
  ahead_healed: 'a valid refresh token that the store had lost in a failover; the session went on from it',
  ahead_refused: 'a valid refresh token newer than the store came; refused, since the store seems to have lost writes',
  clock_jumped: 'a clock was set: nothing that protects is forgotten for now',
  cookie_dropped: 'somebody signed in by a cookie that the browser drops; `detail` says why',
  expired_absolute: 'a refresh token of a session past its absolute life',
  expired_idle: 'a refresh token of a session that was not used for too long',
  forged: 'a refresh token that this gateway did not write',
  hashing_overloaded: 'a password was not checked because the hashing queue was full',
  keys_rotated: 'a new signing key was made and published',
  keys_rotation_asked: 'an administrator asked for a new signing key',
  login_demanded: 'the session ended because a signal demanded to sign in again',
  login_failed: 'the user name or password was not right',
  login_limited: 'a login try over the limit',
  login_ok: 'somebody signed in',
  login_slowed: 'so many sign-ins in a row failed that the pause between attempts was doubled',
  logout: 'the session ended because its user signed out',
  origin_refused: 'a cookie request from a page of another origin',
  password_changed: 'the session ended because its user’s password changed',
  policy_refused: 'a valid access token that lacks the role, scope or audience of the route',
  record_forged: 'a record in the store that no gateway wrote was refused; `detail` says which',
  refresh_limited: 'a refresh over the limit of its session; nothing was rotated',
  retried_concurrent: 'a superseded refresh token inside the grace; its successor was given again',
  retried_lost_answer: 'the last refresh token before one that was never delivered; the successor was given again',
  reused: 'a superseded refresh token after its time: the session was ended in the same step',
  revocation_asked: 'an administrator revoked a session, a subject, a token, a signing key or everyone',
  revocation_unknown: 'a request was refused because this node could not tell who is revoked',
  revoked_by_admin: 'the session ended because an administrator ended it',
  revoked_by_reuse: 'the session ended because one of its refresh tokens was reused',
  revoked_by_signal: 'the session ended because a signal said so',
  revoked_by_user: 'the session ended because its user ended it from another one',
  rotated: 'a refresh token was replaced by its successor',
  route_limited: 'a request over the limit of its route',
  session_ended: 'a refresh token of a session that had been ended',
  session_limit: 'the session ended because its user had too many',
  store_alarm: 'something is the matter with the store; `detail` says what and what to do',
  stream_cut: 'what was under way ended because its session or access token was revoked, or its access token expired',
  token_expired: 'an access token past its life',
  token_foreign: 'an access token of another issuer or for nobody here',
  token_forged: 'an access token whose signature is wrong',
  token_malformed: 'something that is not an access token',
  token_missing: 'a protected route without an access token',
  token_revoked: 'an access token of a session that has ended',
  unknown_session: 'a refresh token of a session that the store does not know',
  user_added: 'an administrator added a user',
  user_changed: 'an administrator changed a user',
  user_disabled: 'the session ended because its user was disabled or changed',
} as const satisfies Record<string, string>

export type Reason = keyof typeof reasonTable

/** What is recorded of an event. */
export interface AuditEvent {
  reason: Reason
  /** Whether what was asked for was given. */
  granted: boolean
  sub?: string | undefined
  sid?: string | undefined
  generation?: number | undefined
  /** A short phrase for operators; never input of a client. */
  detail?: string | undefined
  /** When the refresh token was issued that was presented. */
  issuedAtSeconds?: number | undefined
  /** The session as it is afterwards, for those who listen; it is neither logged nor kept. */
  session?: Session | undefined
}

/** An event and where it came from, as it is stored. Thousands wait for that, so it holds on to neither request nor session. */
export interface RecordedEvent extends NewEvent {
  reason: Reason
}

// What an operator should look at even when nothing else is logged.
const alarms: ReadonlySet<Reason> = new Set([
  'reused',
  'ahead_healed',
  'ahead_refused',
  'login_slowed',
  'store_alarm',
  'clock_jumped',
  'record_forged',
  'cookie_dropped',
])

// Of each request while the store is away: the log says it once a minute (outages.ts).
const saidTogether: ReadonlySet<Reason> = new Set(['revocation_unknown'])

/** Levels of a log that writes ordinary events. */
const talkative: ReadonlySet<string> = new Set(['trace', 'debug', 'info'])

export interface AuditOptions {
  /** This node in events; made of host and process when absent. */
  node?: string | undefined
  /** How much of an address events keep; 24 and 48 bits when absent. */
  network?: NetworkBits
  /** Of this node, ms. */
  clock?: () => number
  /** Goes on counting. */
  counts?: Counts
}

type Listener = (event: RecordedEvent, session: Session | undefined) => void

/** Counts and logs events. Recording never fails and never waits. */
export class Audit {
  /** This node, as operators know it. */
  readonly node: string
  /** As much of an address as events keep. */
  readonly networkOf: (address: string) => string
  readonly #counts: Counts
  readonly #log: FastifyBaseLogger
  readonly #clock: () => number
  readonly #listeners: Listener[] = []

  constructor(log: FastifyBaseLogger, options: AuditOptions) {
    const { node = ownName(), network = { ipv4: 24, ipv6: 48 }, clock = Date.now } = options
    this.node = node
    this.networkOf = networkNames(network)
    this.#counts = options.counts ?? newCounts(Object.keys(reasonTable))
    this.#log = log
    this.#clock = clock
  }

  /**
   * Records one event. Whatever is wrong with what it is given, or with who listens, the one who records goes on.
   * @param request where it came from; undefined when the gateway itself acted
   */
  record(request: FastifyRequest | undefined, event: AuditEvent): void {
    try {
      this.#record(request, event)
    } catch (err) {
      this.#complain(err)
    }
  }

  #record(request: FastifyRequest | undefined, event: AuditEvent): void {
    countUp(this.#counts, event.reason)
    const recorded = this.#complete(request, event)
    const log = request?.log ?? this.#log
    // A line that is not written anyway shall not be made: there is one for each refresh.
    if (alarms.has(event.reason)) log.warn(this.#lineOf(recorded), 'alarm')
    else if (saidTogether.has(event.reason)) log.debug(this.#lineOf(recorded), 'event')
    else if (talkative.has(log.level)) log.info(this.#lineOf(recorded), 'event')
    for (const listener of this.#listeners) this.#tell(listener, recorded, event.session)
  }

  /** Calls `listener` with each event from now on; it must neither throw nor wait. */
  onRecorded(listener: Listener): void {
    this.#listeners.push(listener)
  }

  #complain(err: unknown): void {
    try {
      this.#log.error({ err }, 'an event could not be recorded')
    } catch {
      // A log that fails has nobody left to tell.
    }
  }

  // One who fails keeps the event from nobody else.
  #tell(listener: Listener, event: RecordedEvent, session: Session | undefined): void {
    try {
      listener(event, session)
    } catch (err) {
      this.#complain(err)
    }
  }

  // Every member by name: there is one of these for each refresh, and a spread would cost more than all that is done with it.
  #complete(request: FastifyRequest | undefined, event: AuditEvent): RecordedEvent {
    const at = this.#clock()
    const { reason, granted, sub, sid, generation, detail, issuedAtSeconds } = event
    const tokenAgeSeconds =
      issuedAtSeconds === undefined ? undefined : Math.max(0, Math.floor(at / 1000) - issuedAtSeconds)
    const client = request && (rememberedLabel(request.headers['user-agent'] ?? '') || undefined)
    const network = request && (this.networkOf(request.clientAddress) || undefined)
    const actor = request && actorOf(request, event)
    const { node } = this
    return { at, node, reason, granted, sub, sid, generation, client, network, tokenAgeSeconds, actor, detail }
  }

  // The actor stands in the request's own log already.
  #lineOf({ reason, at: _, actor: __, ...rest }: RecordedEvent): object {
    return { event: reason, ...rest }
  }

  /** How often each reason was recorded since this process started. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

function actorOf(request: FastifyRequest, { sub }: AuditEvent): string | undefined {
  const caller = request.access?.sub
  return caller === sub ? undefined : caller
}

/** Host and process: two workers of one machine are two nodes. */
function ownName(): string {
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, '-')
  return `${host.slice(0, 24)}-${process.pid}`
}

async function audit(app: FastifyInstance, options: AuditOptions): Promise<void> {
  app.decorate('audit', new Audit(app.log, options))
}

/** Fastify plugin: decorates `app.audit`. */
export default fp(audit, { name: 'usage', fastify: '5.x', dependencies: ['client-address'] })
