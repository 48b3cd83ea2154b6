// The list of what is revoked, as this node knows it: three Maps and a not-before, asked on every request, never waiting. An
// entry leaves when the last access token it could refuse has expired, so the list is bounded by the revocations of one token
// life and what clocks may differ. How long it was here is told by the monotonic clock: no clock that is set brings a revoked
// token back.
import type { RevocationEntry } from '../session-store/port/store.ts'

/** What of an access token the list looks at. */
export interface Refusable {
  sid: string
  sub: string
  jti: string
  /** s */
  auth_time: number
}

export class RevocationList {
  // Seconds, not ms: a whole number that fits into a pointer costs no memory of its own.
  /** sid -> when this node learned of it, s of the monotonic clock, in the order of arrival; so are the others. */
  readonly #sessions = new Map<string, number>()
  readonly #subjects = new Map<string, EndedSubject>()
  readonly #tokens = new Map<string, number>()
  /** Of everybody, s. */
  #notBefore = 0
  readonly #keepForSeconds: number
  readonly #monotonic: () => number

  /**
   * @param keepForMs the longest an access token can outlive its revocation, by whatever clock
   * @param monotonic a clock that nobody sets, ms
   */
  constructor(keepForMs: number, monotonic: () => number) {
    this.#keepForSeconds = Math.ceil(keepForMs / 1000)
    this.#monotonic = monotonic
  }

  /** Entries held: of sessions, subjects and tokens. */
  get size(): number {
    return this.#sessions.size + this.#subjects.size + this.#tokens.size
  }

  /**
   * Takes an entry, in whatever order entries come, and however often. Signing keys are the verifier's (plugins/access-tokens).
   * @returns whether it was news
   */
  add(revocation: RevocationEntry): boolean {
    const atSeconds = Math.floor(revocation.at / 1000)
    switch (revocation.kind) {
      case 'session':
        return this.#addFirst(this.#sessions, revocation.sid)
      case 'subject':
        return this.#addSubject(revocation.sub, atSeconds)
      case 'token':
        return this.#addFirst(this.#tokens, revocation.jti)
      case 'everyone':
        return this.#raiseNotBefore(atSeconds)
      case 'signing_key':
        return true
    }
  }

  /**
   * Whether an access token is revoked. `auth_time` has only seconds: sessions that began in the very second a subject's were
   * ended are named one by one, and everybody's not-before is a full second (port/not-before.ts).
   */
  isRevoked({ sid, sub, jti, auth_time }: Refusable): boolean {
    if (auth_time < this.#notBefore || this.#sessions.has(sid)) return true
    if (this.#subjects.size > 0 && auth_time < (this.#subjects.get(sub)?.beforeSeconds ?? 0)) return true
    return this.#tokens.size > 0 && this.#tokens.has(jti)
  }

  // A session and a token are revoked once: hearing of it again says nothing new.
  #addFirst(entries: Map<string, number>, name: string): boolean {
    if (entries.has(name)) return false
    entries.set(name, this.#nowSeconds())
    return true
  }

  // At the end of the Map: one that is ended again and again would else stay in front, young, and nothing behind it would ever
  // be forgotten.
  #addSubject(sub: string, atSeconds: number): boolean {
    const known = this.#subjects.get(sub)
    if (known !== undefined && known.beforeSeconds >= atSeconds) return false
    this.#subjects.delete(sub)
    this.#subjects.set(sub, { beforeSeconds: atSeconds, learnedSeconds: this.#nowSeconds() })
    return true
  }

  /** Takes what another list of this process holds, with the time it was learned: entries of the log may be gone from there. */
  takeOver(before: RevocationList): void {
    for (const [sid, learned] of before.#sessions) this.#sessions.set(sid, learned)
    for (const [sub, ended] of before.#subjects) this.#subjects.set(sub, ended)
    for (const [jti, learned] of before.#tokens) this.#tokens.set(jti, learned)
    this.#raiseNotBefore(before.#notBefore)
  }

  #nowSeconds(): number {
    return Math.floor(this.#monotonic() / 1000)
  }

  #raiseNotBefore(atSeconds: number): boolean {
    if (atSeconds <= this.#notBefore) return false
    this.#notBefore = atSeconds
    return true
  }

  /** Forgets what no token can need any more. Entries lie in the order of arrival: it stops at the first young one. */
  forgetExpired(): void {
    const before = this.#nowSeconds() - this.#keepForSeconds
    for (const entries of [this.#sessions, this.#tokens]) {
      for (const [name, learnedSeconds] of entries) {
        if (learnedSeconds >= before) break
        entries.delete(name)
      }
    }
    for (const [sub, { learnedSeconds }] of this.#subjects) {
      if (learnedSeconds >= before) break
      this.#subjects.delete(sub)
    }
  }
}

interface EndedSubject {
  /** Sessions that began before this second have ended, by the store's clock. */
  beforeSeconds: number
  /** When this node learned of it, by the monotonic clock. */
  learnedSeconds: number
}
