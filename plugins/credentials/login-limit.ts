// The limit on login attempts. Decorates `app.loginLimit`, which the login and password routes ask before anything is hashed or
// told, and which makes the devices of those who signed in known. It must never read an address from anywhere but
// `request.clientAddress`, which only trusted proxies can set.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { addressIn } from '../clients/address.ts'
import { networkOf, networkPath } from '../clients/network.ts'
import { problem } from '../errors/index.ts'
import type { Secret } from '../keys/secrets.ts'
import type { AttemptStore } from '../session-store/port/attempts.ts'
import type { User } from '../session-store/port/store.ts'
import { DeviceCookies } from './device-cookie.ts'
import { type Admission, type AttemptResult, type LoginLimits, LoginRule, maxFailuresInARow } from './login-budgets.ts'
import { canonicalUserName, triedName } from './user-name.ts'

declare module 'fastify' {
  interface FastifyInstance {
    loginLimit: LoginLimit
  }
}

export interface LoginLimitOptions extends LoginLimits {
  /** They sign device cookies; newest first. */
  secrets: readonly Secret[]
  /** This node's clock, ms. */
  clock: () => number
}

/** Somebody who says who they are, and is about to prove it. */
export interface Claim {
  /** As typed. */
  username: string
  /** The user of that name, being looked up; nobody hears of it before the password was right. */
  looking: Promise<User | undefined>
  /** The session of one who is signed in already and proves it again: it counts as a known device. */
  sid?: string
}

type Admitted = Extract<Admission, { admitted: true }>

/** Admits or refuses attempts, and knows devices. */
export class LoginLimit {
  readonly #rule: LoginRule
  readonly #devices: DeviceCookies
  #hasWarned = false

  constructor(attempts: AttemptStore, { secrets, clock, ...limits }: LoginLimitOptions) {
    this.#rule = new LoginRule(attempts, limits)
    this.#devices = new DeviceCookies(secrets, clock)
  }

  /**
   * Has a password checked, if it may be tried now, and counts it if it is wrong.
   * @param check looks at the password; `place` says whose turn it takes in the hashing queue. What it throws is no guess.
   * @returns what `check` found: the user, or undefined for a wrong try
   * @throws Problem `too_many_requests` with Retry-After; StoreUnavailable when the attempt cannot be counted; what `check` throws
   */
  async check(
    request: FastifyRequest,
    claim: Claim,
    check: (place: readonly string[]) => Promise<User | undefined>,
  ): Promise<User | undefined> {
    this.#warnOfProxy(request)
    const device = claim.sid ?? (await this.#deviceOf(request, claim))
    const attempt = { subject: triedName(claim.username), network: networkOf(request.clientAddress), device }
    // Neither waits for the other; an attempt that is refused never sees what was found.
    const [admitting, looking] = await Promise.allSettled([this.#rule.admit(attempt), claim.looking])
    if (admitting.status === 'rejected') throw admitting.reason
    const admission = admitting.value
    if (looking.status === 'rejected') {
      if (admission.admitted) this.#close(request, admission, 'unjudged', undefined)
      throw looking.reason
    }
    const user = looking.value
    if (!admission.admitted) throw tooMany(request, user, admission)
    const place = device === undefined ? ['strangers', ...networkPath(request.clientAddress)] : ['known', device]
    let result: AttemptResult = 'unjudged'
    try {
      const found = await check(place)
      result = found === undefined ? 'wrong' : 'right'
      return found
    } finally {
      this.#close(request, admission, result, user)
    }
  }

  /** Makes the device of a request known to a user who has just signed in. */
  remember(request: FastifyRequest, reply: FastifyReply, user: Pick<User, 'sub' | 'revision'>): void {
    this.#devices.renew(request, reply, user)
  }

  async #deviceOf(request: FastifyRequest, { username, looking }: Claim): Promise<string | undefined> {
    const sub = canonicalUserName(username)
    const device = sub === undefined ? undefined : this.#devices.read(request, sub)
    if (device === undefined) return undefined
    return (await looking)?.revision === device.revision ? device.id : undefined
  }

  // Nobody waits for it: what could not be given back stays counted, which errs on the safe side.
  #close(request: FastifyRequest, { held }: Admitted, result: AttemptResult, user: User | undefined): void {
    this.#rule.close(held, result).then(
      (inARow) => {
        if (inARow === 0 || inARow % maxFailuresInARow !== 0) return
        const detail = `${inARow} failures in a row`
        request.server.audit.record(request, { reason: 'login_slowed', granted: false, sub: user?.sub, detail })
      },
      (err) => request.log.debug({ err }, 'an attempt that was no failure could not be given back'),
    )
  }

  // Otherwise all the world would be one address, and nobody would know why.
  #warnOfProxy(request: FastifyRequest): void {
    const field = request.headers['x-forwarded-for']
    if (this.#hasWarned || typeof field !== 'string' || (request.clientPath?.length ?? 1) > 1) return
    // Behind a trusted peer such a field would have led to its address.
    if (addressIn(field.slice(field.lastIndexOf(',') + 1)) === undefined) return
    this.#hasWarned = true
    const peer = request.server.audit.networkOf(request.clientAddress)
    request.log.warn(
      { peer },
      'X-Forwarded-For came from a peer that is not in CARDEA_TRUSTED_PROXIES: it was ignored, and whoever comes that way counts as one address',
    )
  }
}

function tooMany(request: FastifyRequest, user: User | undefined, refused: Exclude<Admission, Admitted>) {
  const detail = `limit per ${refused.by}`
  // A name that no user has may be a password typed into the wrong field: it is counted, not recorded.
  request.server.audit.record(request, { reason: 'login_limited', granted: false, sub: user?.sub, detail })
  const headers = { 'Retry-After': String(refused.retryAfterSeconds) }
  return problem('too_many_requests', { detail, headers })
}

async function loginLimit(app: FastifyInstance, options: LoginLimitOptions): Promise<void> {
  app.decorate('loginLimit', new LoginLimit(app.store.attempts, options))
}

/** Fastify plugin: decorates `app.loginLimit`. */
export default fp(loginLimit, {
  name: 'login-limit',
  fastify: '5.x',
  dependencies: ['client-address', 'cookies', 'session-store', 'audit'],
  decorators: { fastify: ['store', 'audit'] },
})
