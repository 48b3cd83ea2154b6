// What is revoked, as this node knows it: three Maps and a not-before, asked on every request, never waiting. An entry leaves
// when the last access token it could refuse has expired, so the list is bounded by the revocations of one token life.
import type { Revocation } from '../session-store/store.ts'

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
  /** sid -> when it ended, s, in the order of arrival; so are the others. */
  readonly #sessions = new Map<string, number>()
  /** sub -> the second whose beginning ended all its sessions. */
  readonly #subjects = new Map<string, number>()
  /** jti -> when it was revoked, s. */
  readonly #tokens = new Map<string, number>()
  /** Of everybody, s. */
  #notBefore = 0
  readonly #keepForSeconds: number

  /** @param keepForMs the longest an access token can outlive its revocation, by the store's clock */
  constructor(keepForMs: number) {
    this.#keepForSeconds = Math.ceil(keepForMs / 1000)
  }

  /** Entries held: of sessions, subjects and tokens. */
  get size(): number {
    return this.#sessions.size + this.#subjects.size + this.#tokens.size
  }

  /**
   * Takes an entry, in whatever order entries come, and however often. Signing keys are the verifier's (plugins/jwt).
   * @returns whether it was news
   */
  add(revocation: Revocation): boolean {
    const atSeconds = Math.floor(revocation.at / 1000)
    switch (revocation.kind) {
      case 'session':
        return this.#addSession(revocation.sid, atSeconds)
      case 'subject':
        return keepLatest(this.#subjects, revocation.sub, atSeconds)
      case 'token':
        return keepLatest(this.#tokens, revocation.jti, atSeconds)
      case 'everyone':
        return this.#raiseNotBefore(atSeconds)
      case 'signing_key':
        return true
    }
  }

  /**
   * Whether an access token is revoked. `auth_time` has only seconds: sessions that began in the very second a subject's were
   * ended are named one by one, and everybody's not-before is a full second (session-store/not-before.ts).
   */
  isRevoked({ sid, sub, jti, auth_time }: Refusable): boolean {
    if (auth_time < this.#notBefore || this.#sessions.has(sid)) return true
    if (this.#subjects.size > 0 && auth_time < (this.#subjects.get(sub) ?? 0)) return true
    return this.#tokens.size > 0 && this.#tokens.has(jti)
  }

  #addSession(sid: string, atSeconds: number): boolean {
    const { size } = this.#sessions
    this.#sessions.set(sid, atSeconds)
    return this.#sessions.size > size
  }

  #raiseNotBefore(atSeconds: number): boolean {
    if (atSeconds <= this.#notBefore) return false
    this.#notBefore = atSeconds
    return true
  }

  /** Forgets what no token can need any more. Entries arrive nearly in order of time: it stops at the first young one. */
  forgetExpired(nowMs: number): void {
    const before = Math.floor(nowMs / 1000) - this.#keepForSeconds
    for (const entries of [this.#sessions, this.#subjects, this.#tokens]) {
      for (const [name, atSeconds] of entries) {
        if (atSeconds >= before) break
        entries.delete(name)
      }
    }
  }
}

// At the end of the Map: one that is revoked again and again would else stay in front, young, and nothing behind it would ever
// be forgotten. A session is not: it ends once.
function keepLatest(entries: Map<string, number>, name: string, atSeconds: number): boolean {
  const known = entries.get(name)
  entries.delete(name)
  entries.set(name, Math.max(atSeconds, known ?? 0))
  return known === undefined || atSeconds > known
}
