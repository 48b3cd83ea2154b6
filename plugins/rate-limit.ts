// The limit on login tries: per address, per subject, and per pair of both where the subject is at home. Decorates
// `app.loginLimit`, which the login and password routes ask before anything is hashed or told. It must never read an
// address from anywhere but `request.ip`, which only trusted proxies can set.
import fastifyRateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { canonicalUserName } from './credentials/user-name.ts'
import { problem } from './errors.ts'
import type { Sessions } from './session-store/sessions.ts'
import type { TryStore } from './session-store/store.ts'

declare module 'fastify' {
  interface FastifyInstance {
    loginLimit: LoginLimit
  }
  interface FastifyRequest {
    /** Who is being tried from where, for the keys of the limits. */
    loginTry: { subject: string; address: string } | null
  }
}

export interface LoginLimitOptions {
  /** Tries per window, right or wrong. */
  max: number
  windowMs: number
}

export type Admission =
  | { admitted: true }
  /** `by` is the limit that refuses; after `retryAfterSeconds` it will not. */
  | { admitted: false; by: 'address' | 'subject' | 'pair'; retryAfterSeconds: number }

type Limiter = ReturnType<FastifyInstance['createRateLimit']>

/** Admits or refuses tries. */
export class LoginLimit {
  readonly #sessions: Pick<Sessions, 'list'>
  readonly #limiters: Record<'address' | 'subject' | 'pair', Limiter>

  constructor(sessions: Pick<Sessions, 'list'>, limiters: Record<'address' | 'subject' | 'pair', Limiter>) {
    this.#sessions = sessions
    this.#limiters = limiters
  }

  /**
   * Counts one try and ends the request when it may not go on.
   * @param subject see `admit`
   * @throws Problem `too_many_requests` with Retry-After; StoreUnavailable
   */
  async demand(request: FastifyRequest, subject: string): Promise<void> {
    const admission = await this.admit(request, subject)
    if (admission.admitted) return
    const detail = `limit per ${admission.by}`
    // A name that no user can have may be a password typed into the wrong field: it is counted, not recorded.
    const sub = canonicalUserName(subject)
    request.server.usage.record(request, { reason: 'login_limited', granted: false, sub, detail })
    const headers = { 'Retry-After': String(admission.retryAfterSeconds) }
    throw problem('too_many_requests', { reason: detail, headers })
  }

  /**
   * Counts one try and says whether it may go on.
   * @param subject the canonical user name, or for a name that has no canonical form any text that stands for it
   * @throws StoreUnavailable when it cannot be counted: then it may not go on
   */
  async admit(request: FastifyRequest, subject: string): Promise<Admission> {
    const address = networkOf(request.ip)
    request.loginTry = { subject, address }
    // A flood from one address stops here and uses up nobody's limit but its own.
    const byAddress = await this.#count('address', request)
    if (!byAddress.admitted) return byAddress
    const bySubject = await this.#count('subject', request)
    if (bySubject.admitted) return bySubject
    // Others have used up this subject's tries. From an address where the subject is signed in, its owner still gets in.
    return (await this.#isAtHome(subject, address)) ? this.#count('pair', request) : bySubject
  }

  async #count(by: 'address' | 'subject' | 'pair', request: FastifyRequest): Promise<Admission> {
    const counted = await this.#limiters[by](request)
    if (counted.isAllowed || !counted.isExceeded) return { admitted: true }
    return { admitted: false, by, retryAfterSeconds: Math.max(1, counted.ttlInSeconds) }
  }

  async #isAtHome(subject: string, address: string): Promise<boolean> {
    const sessions = await this.#sessions.list(subject)
    return sessions.some((session) => networkOf(session.ip) === address)
  }
}

const addressLengthLimit = 64

/**
 * The network that counts as one address: an IPv4 address, or the /64 of an IPv6 address, which is what one customer holds.
 * @param ip as Fastify gives it; an IPv4 address mapped into IPv6 is the IPv4 address
 */
export function networkOf(ip: string): string {
  return fastifyRateLimit.normalizeIP(ip, 64).slice(0, addressLengthLimit)
}

/** A window is doubled at most this often. */
const doublingLimit = 4

// The store @fastify/rate-limit asks for: the one where sessions live, so that all nodes count together. What cannot be
// counted is not admitted: the error goes up, and the request ends with 503.
function countingIn(tries: TryStore) {
  return class CountingStore {
    incr(
      key: string,
      callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
      windowMs: number,
      max: number,
    ) {
      tries.count(key, { max, windowMs, doublingLimit }).then(
        ({ tries: current, opensInMs }) => callback(null, { current, ttl: opensInMs }),
        (error: Error) => callback(error),
      )
    }

    // The limiters share it: their keys begin with their names.
    child() {
      return this
    }
  }
}

async function loginLimit(app: FastifyInstance, options: LoginLimitOptions): Promise<void> {
  const limit = { max: options.max, timeWindow: options.windowMs }
  await app.register(fastifyRateLimit, { global: false, store: countingIn(app.store.tries), ...limit })
  const limiter = (keyGenerator: (request: FastifyRequest) => string) => app.createRateLimit({ ...limit, keyGenerator })
  app.decorateRequest('loginTry', null)
  app.decorate(
    'loginLimit',
    new LoginLimit(app.sessions, {
      address: limiter(({ loginTry }) => `address ${loginTry?.address}`),
      subject: limiter(({ loginTry }) => `subject ${loginTry?.subject}`),
      pair: limiter(({ loginTry }) => `pair ${loginTry?.address} ${loginTry?.subject}`),
    }),
  )
}

/** Fastify plugin: decorates `app.loginLimit`. */
export default fp(loginLimit, {
  name: 'login-limit',
  fastify: '5.x',
  dependencies: ['session-store', 'usage'],
  decorators: { fastify: ['store', 'sessions', 'usage'] },
})
