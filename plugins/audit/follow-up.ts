// The consequences of a new signal: the session or the subject's sessions end, where the config says so, and other systems
// are told. The store may be away for a moment: then it is tried again.
import type { Signal } from '../session-store/port/events.ts'
import type { Sessions } from '../session-store/sessions.ts'
import { BackOffQueue } from './back-off-queue.ts'
import { isRuleName, ruleTable } from './rules.ts'

const settings = { limit: 1000, attempts: 8, firstPauseMs: 250 }

/** Ends what signals say must end. */
export class FollowUp {
  readonly #queue: BackOffQueue<Signal>
  readonly #sessions: Pick<Sessions, 'end' | 'endAll'>

  /** @param onLost hears of an action that could not be done */
  constructor(sessions: Pick<Sessions, 'end' | 'endAll'>, onLost: (signal: Signal) => void) {
    this.#sessions = sessions
    this.#queue = new BackOffQueue(settings, (signal) => this.#act(signal), onLost)
  }

  /** Queues the action of a signal, if it has one. */
  add(signal: Signal): void {
    if (signal.action !== 'report') this.#queue.add(signal)
  }

  stop(): void {
    this.#queue.stop()
  }

  async #act({ rule, action, sid, sub }: Signal): Promise<'done'> {
    const reason = action === 'login' ? 'login_demanded' : 'revoked_by_signal'
    const ends = isRuleName(rule) ? ruleTable[rule].ends : 'nothing'
    if (ends === 'session' && sid !== undefined) await this.#sessions.end(sid, reason)
    if (ends === 'subject' && sub !== undefined) await this.#sessions.endAll(sub, reason)
    return 'done'
  }
}
