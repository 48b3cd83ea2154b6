// What happens to sessions and tokens, as events with one reason each from a closed list: a log line and a counter.
// Every plugin and route that grants or denies records here; nothing here ever holds a token, a cookie or a password.
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    usage: Usage
  }
}

/** Every reason an event can have, and what it means. The list is closed: metrics and the operators' page count by it. */
export const reasonTable = {
  ahead_refused: 'a valid refresh token newer than the store came; refused, since the store seems to have lost writes',
  expired_absolute: 'a refresh token of a session past its absolute life',
  expired_idle: 'a refresh token of a session that was not used for too long',
  forged: 'a refresh token that this gateway did not write',
  hashing_overloaded: 'a password was not checked because the hashing queue was full',
  keys_rotated: 'a new signing key was made and published',
  keys_rotation_asked: 'an administrator asked for a new signing key',
  login_failed: 'the user name or password was not right',
  login_limited: 'a login try over the limit',
  login_ok: 'somebody signed in',
  logout: 'the session ended because its user signed out',
  origin_refused: 'a cookie request from a page of another origin',
  password_changed: 'the session ended because its user’s password changed',
  policy_refused: 'a valid access token that lacks the role, scope or audience of the route',
  retried_concurrent: 'a superseded refresh token inside the grace; its successor was given again',
  retried_lost_answer: 'the last refresh token before one that was never delivered; the successor was given again',
  reused: 'a superseded refresh token after its time: the session was ended in the same step',
  revocation_unknown: 'a request was refused because this node could not tell who is revoked',
  revoked_by_admin: 'the session ended because an administrator ended it',
  revoked_by_reuse: 'the session ended because one of its refresh tokens was reused',
  revoked_by_user: 'the session ended because its user ended it from another one',
  rotated: 'a refresh token was replaced by its successor',
  session_ended: 'a refresh token of a session that had been ended',
  session_limit: 'the session ended because its user had too many',
  token_expired: 'an access token past its life',
  token_foreign: 'an access token of another issuer or for nobody here',
  token_forged: 'an access token whose signature is wrong',
  token_malformed: 'something that is not an access token',
  token_missing: 'a protected route without an access token',
  token_revoked: 'an access token of a session that has ended',
  unknown_session: 'a refresh token of a session that the store does not know',
  user_added: 'an administrator added a user',
  user_changed: 'an administrator changed a user',
  user_disabled: 'the session ended because its user was disabled',
} as const satisfies Record<string, string>

export type Reason = keyof typeof reasonTable

/** What is recorded of an event. */
export interface UsageEvent {
  reason: Reason
  /** Whether what was asked for was given. */
  granted: boolean
  sub?: string | undefined
  sid?: string | undefined
  generation?: number | undefined
  /** A short phrase for operators; never input of a client. */
  detail?: string | undefined
}

// What an operator should look at even when nothing else is logged.
const alarms: ReadonlySet<Reason> = new Set(['reused', 'ahead_refused', 'revocation_unknown'])

/** Counts and logs events. Recording never fails and never waits. */
export class Usage {
  readonly #counts = new Map<string, number>(Object.keys(reasonTable).map((reason) => [reason, 0]))
  readonly #log: FastifyBaseLogger

  constructor(log: FastifyBaseLogger) {
    this.#log = log
  }

  /**
   * Records one event.
   * @param request where it came from; undefined when the gateway itself acted
   */
  record(request: FastifyRequest | undefined, event: UsageEvent): void {
    this.#counts.set(event.reason, (this.#counts.get(event.reason) ?? 0) + 1)
    const { reason, ...rest } = event
    const line = { event: reason, ...rest, ...(request && { address: request.ip }) }
    const log = request?.log ?? this.#log
    if (alarms.has(reason)) log.warn(line, 'alarm')
    else log.info(line, 'event')
  }

  /** How often each reason was recorded since this process started. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

async function usage(app: FastifyInstance): Promise<void> {
  app.decorate('usage', new Usage(app.log))
}

/** Fastify plugin: decorates `app.usage`. */
export default fp(usage, { name: 'usage', fastify: '5.x' })
