// The limit on login tries: per address, per subject, and per pair of both where the subject is at home. Decorates
// `app.loginLimit`, which the login and password routes ask before anything is looked up or hashed. It must never read an
// address from anywhere but `request.ip`, which only trusted proxies can set.
import fastifyRateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from './errors.ts'
import type { Sessions } from './session-store/sessions.ts'

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
  clock?: () => number
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
    request.server.usage.record(request, { reason: 'login_limited', granted: false, sub: subject, detail })
    const headers = { 'Retry-After': String(admission.retryAfterSeconds) }
    throw problem('too_many_requests', { reason: detail, headers })
  }

  /**
   * Counts one try and says whether it may go on.
   * @param subject the canonical user name, or for a name that has no canonical form any text that stands for it
   * @throws StoreUnavailable, only when the subject's own limit is exhausted
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

interface Bucket {
  tries: number
  opensAt: number
  /** Windows in a row that were exhausted: each doubles the next one. */
  exhausted: number
  wasExceeded: boolean
}

/** Keys remembered per limit; the ones least recently tried are forgotten first. */
const bucketLimit = 100_000

/** A window is doubled at most this often. */
const doublingLimit = 4

/**
 * Counts tries in windows that double while they are exhausted again and again, and halve back to one after one that was
 * not. A refused try never prolongs a window, so that a Retry-After once given stays true.
 */
export class TryCounter {
  readonly #buckets = new Map<string, Bucket>()
  readonly #clock: () => number

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /**
   * Counts a try.
   * @returns tries in the window, this one included, and how long the window still lasts, ms
   */
  count(key: string, windowMs: number, max: number): { current: number; ttl: number } {
    const nowMs = this.#clock()
    const known = this.#buckets.get(key)
    const bucket = known && nowMs < known.opensAt ? known : opened(known, nowMs, windowMs)
    bucket.tries += 1
    if (bucket.tries > max) bucket.wasExceeded = true
    this.#remember(key, bucket)
    return { current: bucket.tries, ttl: bucket.opensAt - nowMs }
  }

  #remember(key: string, bucket: Bucket): void {
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size <= bucketLimit) return
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}

function opened(last: Bucket | undefined, nowMs: number, windowMs: number): Bucket {
  // Quiet for a whole window after the last one: all is forgiven.
  const goesOn = last?.wasExceeded && nowMs < last.opensAt + windowMs
  const exhausted = goesOn ? Math.min(last.exhausted + 1, doublingLimit) : 0
  return { tries: 0, opensAt: nowMs + windowMs * 2 ** exhausted, exhausted, wasExceeded: false }
}

// The store @fastify/rate-limit asks for, on a clock that can be held; each limiter gets a child of its own.
function counterStore(clock: () => number) {
  return class CounterStore {
    readonly #counter = new TryCounter(clock)

    incr(
      key: string,
      callback: (error: null, result: { current: number; ttl: number }) => void,
      ms: number,
      max: number,
    ) {
      callback(null, this.#counter.count(key, ms, max))
    }

    child() {
      return new CounterStore()
    }
  }
}

async function loginLimit(app: FastifyInstance, options: LoginLimitOptions): Promise<void> {
  const limit = { max: options.max, timeWindow: options.windowMs }
  await app.register(fastifyRateLimit, { global: false, store: counterStore(options.clock ?? Date.now), ...limit })
  const limiter = (keyGenerator: (request: FastifyRequest) => string) => app.createRateLimit({ ...limit, keyGenerator })
  app.decorateRequest('loginTry', null)
  app.decorate(
    'loginLimit',
    new LoginLimit(app.sessions, {
      address: limiter(({ loginTry }) => loginTry?.address ?? ''),
      subject: limiter(({ loginTry }) => loginTry?.subject ?? ''),
      pair: limiter(({ loginTry }) => `${loginTry?.subject} ${loginTry?.address}`),
    }),
  )
}

/** Fastify plugin: decorates `app.loginLimit`. */
export default fp(loginLimit, {
  name: 'login-limit',
  fastify: '5.x',
  dependencies: ['session-store', 'usage'],
  decorators: { fastify: ['sessions', 'usage'] },
})
