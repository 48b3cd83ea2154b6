// The independent model of the session store: it keeps the whole history of every session and checks by it. It shares no line
// with the store. Where the store's record is allowed to know less than the history, `check` states the exact rule.
import type { EndReason } from '../../../../plugins/session-store/port/store.ts'

export const limits = { idleTtlSeconds: 3600, absoluteTtlSeconds: 6 * 3600, maxSessions: 4 }

/** One session, everything that ever happened to it. */
export interface CallHistory {
  sid: string
  sub: string
  /** When each generation was made, ms; index 0 is generation 1. */
  madeAt: number[]
  /** Generations that were presented, or seen in use. */
  arrived: Set<number>
  /** Of the user's record at the login. */
  revision: number
  ended?: { at: number; reason: EndReason }
}

export class Model {
  nowMs = 1_700_000_000_123
  graceMs = 10_000
  readonly histories: CallHistory[] = []
  readonly users = new Map([
    ['ana', { revision: 1, disabled: false }],
    ['bo', { revision: 1, disabled: false }],
  ])
  /** How long a store must remember a session that has expired; time never passes that, so that all must answer alike. */
  readonly #remembersExpiredMs: number
  /** Everything that ended, in order. */
  readonly log: { sid: string; reason: EndReason; at: number }[] = []

  constructor(remembersExpiredMs = Number.POSITIVE_INFINITY) {
    this.#remembersExpiredMs = remembersExpiredMs
  }

  /** Lets time pass, as far as every store still remembers what this model remembers. */
  moveTo(nowMs: number): void {
    const ends = this.histories.map((history) => endOf(history) + this.#remembersExpiredMs - 1)
    this.nowMs = Math.max(this.nowMs, Math.min(nowMs, ...ends))
  }

  login(sub: string, sid: string, revision: number): 'created' | 'user_changed' {
    const user = this.users.get(sub)
    if (!user || user.disabled || user.revision !== revision) return 'user_changed'
    const live = this.liveOf(sub)
    // Histories are in order of login, so the oldest come first.
    for (const history of live.slice(0, Math.max(0, live.length + 1 - limits.maxSessions))) {
      this.#end(history, 'session_limit')
    }
    this.histories.push({ sid, sub, madeAt: [this.nowMs], arrived: new Set(), revision })
    return 'created'
  }

  /** Judges a presented generation, and lets happen what follows. @returns the outcome in words */
  present(history: CallHistory, generation: number): string {
    const result = this.check(history, generation)
    if (result === 'rotated' || result.startsWith('retried')) history.arrived.add(generation)
    // What came after the presented one is void: as if it had been made only now.
    if (result === 'retried: lost_answer') history.madeAt.fill(this.nowMs, generation)
    if (result === 'rotated' || result === 'retried: lost_answer') history.madeAt.push(this.nowMs)
    if (result === 'user_changed') this.#end(history, 'user_disabled')
    if (result === 'reused') this.#end(history, 'revoked_by_reuse')
    return result
  }

  check(history: CallHistory, generation: number): string {
    if (history.ended) return `revoked: ${history.ended.reason}`
    const expired = this.#expiry(history)
    if (expired) return `expired: ${expired}`
    const user = this.users.get(history.sub)
    if (!user || user.disabled || user.revision !== history.revision) return 'user_changed'
    const newest = history.madeAt.length
    if (generation > newest) return 'ahead'
    if (generation === newest) return 'rotated'
    if (![...history.arrived].some((arrived) => arrived > generation)) {
      const sinceNewest = this.nowMs - (history.madeAt.at(-1) ?? Number.NaN)
      return this.graceMs > 0 && sinceNewest <= this.graceMs ? 'retried: concurrent' : 'retried: lost_answer'
    }
    const made = history.madeAt[generation - 1] ?? Number.NaN
    const superseded = history.madeAt[generation] ?? Number.NaN
    // THE RULE of finite memory. A token up to three generations behind is checked by when it was superseded. An older one is
    // honoured only while the whole second it was issued in lies inside the grace: never longer than the history would
    // honour it, sometimes shorter (when four rotations and more fell into one grace).
    const proven = newest - generation <= 3 ? superseded : made - (made % 1000)
    return this.graceMs > 0 && this.nowMs - proven <= this.graceMs ? 'retried: concurrent' : 'reused'
  }

  see(history: CallHistory, generation: number): void {
    if (!history.ended) history.arrived.add(Math.min(generation, history.madeAt.length))
  }

  end(history: CallHistory | undefined, reason: EndReason): string[] {
    if (!history || !this.isLive(history)) return []
    this.#end(history, reason)
    return [history.sid]
  }

  endAll(sub: string, reason: EndReason, exceptSid?: string): string[] {
    const ending = this.liveOf(sub).filter(({ sid }) => sid !== exceptSid)
    for (const history of ending) this.#end(history, reason)
    return ending.map(({ sid }) => sid)
  }

  changeUser(sub: string, disabled: boolean): void {
    const revision = this.users.get(sub)?.revision ?? 0
    this.users.set(sub, { revision: revision + 1, disabled })
  }

  isLive(history: CallHistory): boolean {
    return !history.ended && !this.#expiry(history)
  }

  /** Oldest login first. */
  liveOf(sub: string): CallHistory[] {
    return this.histories.filter((history) => history.sub === sub && this.isLive(history))
  }

  #expiry({ madeAt }: CallHistory): 'absolute' | 'idle' | undefined {
    const loginSecond = Math.floor((madeAt[0] ?? Number.NaN) / 1000)
    if (this.nowMs / 1000 >= loginSecond + limits.absoluteTtlSeconds) return 'absolute'
    if (this.nowMs - (madeAt.at(-1) ?? Number.NaN) >= limits.idleTtlSeconds * 1000) return 'idle'
    return undefined
  }

  #end(history: CallHistory, reason: EndReason): void {
    history.ended = { at: this.nowMs, reason }
    this.log.push({ sid: history.sid, reason, at: this.nowMs })
  }
}

/** When the record of a session is of no more use, ms: its tombstone's, at the absolute limit; else at the first limit. */
function endOf({ madeAt, ended }: CallHistory): number {
  const [createdAt = 0] = madeAt
  const absoluteMs = (Math.floor(createdAt / 1000) + limits.absoluteTtlSeconds) * 1000
  return ended ? absoluteMs : Math.min(absoluteMs, (madeAt.at(-1) ?? 0) + limits.idleTtlSeconds * 1000)
}
