// The shares of callers in the places at a route's instances. It never lets one hold more than a share.

/** Requests, or streams: WebSockets and event streams. */
export type PlaceKind = 'requests' | 'streams'

/** What each caller of one route holds. */
export class CallerShares {
  readonly #held: Record<PlaceKind, Map<string, number>> = { requests: new Map(), streams: new Map() }

  /**
   * @param most how many places of the kind one caller may hold
   * @returns false when the caller holds its share already
   */
  take(kind: PlaceKind, caller: string, most: number): boolean {
    const held = this.#held[kind].get(caller) ?? 0
    if (held >= most) return false
    this.#held[kind].set(caller, held + 1)
    return true
  }

  give(kind: PlaceKind, caller: string): void {
    const left = (this.#held[kind].get(caller) ?? 0) - 1
    if (left > 0) this.#held[kind].set(caller, left)
    else this.#held[kind].delete(caller)
  }
}
