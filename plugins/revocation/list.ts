// Which sessions have ended, as this node knows it: one Map, asked on every request, never waiting. An entry leaves when
// the last access token it could refuse has expired, so the list is bounded by the revocations of one access-token life.
import type { Revocation } from '../session-store/store.ts'

export class RevocationList {
  /** sid -> when the session ended, ms, in the order of arrival. */
  readonly #endedAt = new Map<string, number>()
  readonly #keepForMs: number

  /** @param keepForMs the longest an access token can outlive its session: its life and the verifier's leeway */
  constructor(keepForMs: number) {
    this.#keepForMs = keepForMs
  }

  get size(): number {
    return this.#endedAt.size
  }

  add({ sid, at }: Revocation): void {
    this.#endedAt.set(sid, at)
  }

  isRevoked(sid: string): boolean {
    return this.#endedAt.has(sid)
  }

  /** Forgets what no token can need any more. Entries arrive nearly in order of time: it stops at the first young one. */
  forgetExpired(nowMs: number): void {
    for (const [sid, at] of this.#endedAt) {
      if (at + this.#keepForMs >= nowMs) return
      this.#endedAt.delete(sid)
    }
  }
}
