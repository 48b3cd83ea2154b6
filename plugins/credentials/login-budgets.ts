// The rule of the login limit: which budgets an attempt is taken from, and what its result gives back. Pure of HTTP, so that the
// simulation of docs/threat-model.md plays the very rule. Only failures count: a right password gives its own try back, and
// nothing else. It must never let strangers use up what a known device has.
import type { AttemptStore, Budget, TakenAttempt } from '../session-store/port/attempts.ts'

/** So many in a window. */
export interface AttemptRate {
  max: number
  windowMs: number
}

export interface LoginLimits {
  /** Failures of one subject: of all strangers together, and of each known device. */
  perSubject: AttemptRate
  /** Failures from one address, whoever is tried. */
  perAddress: AttemptRate
}

/** Who is tried from where. */
export interface Attempt {
  /** The canonical user name, or for a name that has none any text that stands for it. */
  subject: string
  /** See `networkOf`. */
  network: string
  /** What the subject has signed in with before, a device or a session; absent for strangers. */
  device?: string | undefined
}

export type LimitedBy = 'address' | 'subject' | 'pair' | 'device'

export type Admission =
  | { admitted: true; held: readonly Held[] }
  /** `by` is the limit that refuses; after `retryAfterSeconds` it has room. */
  | { admitted: false; by: LimitedBy; retryAfterSeconds: number }

/** What an admitted try holds until it is checked. */
interface Held {
  owner: string
  taken: readonly TakenAttempt[]
}

/** `unchecked`: nobody looked at the password, so it was no guess. */
export type AttemptResult = 'right' | 'wrong' | 'unjudged'

/**
 * NIST SP 800-63B section 5.2.2: "the verifier SHALL limit consecutive failed authentication attempts on a single account to no
 * more than 100", or make the claimant wait "for a period of time that increases".
 */
export const maxFailuresInARow = 100

/** Of what strangers together may fail, one address has a half at once, and a quarter over time. */
const addressShare = 0.5

export class LoginRule {
  readonly #attempts: AttemptStore
  readonly #limits: LoginLimits
  /** Tries that are not checked yet, by owner. */
  readonly #underWay = new Map<string, number>()

  constructor(attempts: AttemptStore, limits: LoginLimits) {
    this.#attempts = attempts
    this.#limits = limits
  }

  /**
   * Takes one attempt, before anybody looks at the password. Each admitted one must be settled.
   * @throws StoreUnavailable when it cannot be counted: then it may not go on
   */
  async admit(attempt: Attempt): Promise<Admission> {
    if (attempt.device === undefined) return this.#admitStranger(attempt)
    const budget = { name: 'device', limit: { ...this.#limits.perSubject, slowsAfter: maxFailuresInARow } }
    const byDevice = await this.#take(`device ${attempt.subject} ${attempt.device}`, { device: budget })
    if (byDevice.admitted) return byDevice
    // Without its cookie it would be a stranger; with it, it must not have less.
    const asStranger = await this.#admitStranger(attempt)
    const waitsLess = asStranger.admitted || asStranger.retryAfterSeconds < byDevice.retryAfterSeconds
    return waitsLess ? asStranger : byDevice
  }

  /**
   * Ends an attempt that was admitted.
   * @returns failures of strangers, or of the device, in a row: 0 unless the result is `wrong`
   * @throws StoreUnavailable: then the attempt stays taken, which errs on the safe side
   */
  async close(held: readonly Held[], result: AttemptResult): Promise<number> {
    for (const { owner } of held) this.#end(owner)
    if (result === 'wrong') return Math.max(...held.flatMap(({ taken }) => taken.map(({ inARow }) => inARow)))
    await Promise.all(held.map(({ owner, taken }) => this.#attempts.giveBack(owner, taken, result)))
    return 0
  }

  // A flood from one address stops at the address, and uses up nobody's budget but its own.
  async #admitStranger({ subject, network }: Attempt): Promise<Admission> {
    const { perSubject, perAddress } = this.#limits
    const byAddress = await this.#take(`address ${network}`, { address: { name: 'address', limit: perAddress } })
    if (!byAddress.admitted) return byAddress
    const ofPair = {
      max: Math.max(1, Math.ceil(perSubject.max * addressShare)),
      windowMs: perSubject.windowMs / addressShare,
    }
    const taking = this.#take(`subject ${subject}`, {
      subject: { name: 'strangers', limit: { ...perSubject, slowsAfter: maxFailuresInARow } },
      pair: { name: `from ${network}`, limit: ofPair },
    })
    const bySubject = await taking.catch((error: unknown) => {
      for (const { owner } of byAddress.held) this.#end(owner)
      throw error
    })
    if (bySubject.admitted) return { admitted: true, held: [...byAddress.held, ...bySubject.held] }
    // What cannot be given back stays counted, which errs on the safe side.
    await this.close(byAddress.held, 'unjudged').catch(() => 0)
    return bySubject
  }

  async #take(owner: string, budgets: Partial<Record<LimitedBy, Budget>>): Promise<Admission> {
    const outcome = await this.#attempts.take(owner, Object.values(budgets))
    if (outcome.outcome === 'taken') {
      this.#underWay.set(owner, (this.#underWay.get(owner) ?? 0) + 1)
      return { admitted: true, held: [{ owner, taken: outcome.taken }] }
    }
    const names: LimitedBy[] = ['address', 'subject', 'pair', 'device']
    const by = names.find((name) => budgets[name]?.name === outcome.by.name) ?? 'subject'
    // What is under way may turn out right, and is given back then.
    const waitMs = this.#underWay.has(owner) ? 1000 : outcome.waitMs
    return { admitted: false, by, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) }
  }

  #end(owner: string): void {
    const left = (this.#underWay.get(owner) ?? 0) - 1
    if (left > 0) this.#underWay.set(owner, left)
    else this.#underWay.delete(owner)
  }
}
