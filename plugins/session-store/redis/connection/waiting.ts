// The waiters for Redis: each waiter is settled once, by what it waited for or by its deadline. It sends nothing and knows no
// connection.
import { DenseSet, type Listed } from '../../../collections/dense-set.ts'
import type { StoreUnavailable } from '../../port/store.ts'

export interface Waiter extends Listed {
  /** Its deadline runs from now on. */
  begin: () => void
  settle: (error?: StoreUnavailable) => void
}

export interface WaiterOptions {
  timeoutMs: number
  /** Hears undefined when what was waited for came, and the error otherwise; once. */
  settled: (error: StoreUnavailable | undefined) => void
  /** Called after a waiter was refused at its deadline. */
  expired?: () => void
}

export class Waiting {
  readonly #waiters = new DenseSet<Waiter>()
  readonly #late: (timeoutMs: number) => StoreUnavailable

  /** @param late makes the error of one that waited for so long, ms */
  constructor(late: (timeoutMs: number) => StoreUnavailable) {
    this.#late = late
  }

  get size(): number {
    return this.#waiters.size
  }

  add({ timeoutMs, settled, expired }: WaiterOptions): Waiter {
    let timer: NodeJS.Timeout | undefined
    const waiter: Waiter = {
      place: -1,
      // When this process itself was held up, answers lie here unread, and timers run before they are read: after them it is
      // known who was late.
      begin: () => {
        if (waiter.place !== -1) timer = setTimeout(() => setImmediate(expire), Math.max(0, timeoutMs))
      },
      settle: (error) => {
        if (waiter.place === -1) return
        this.#waiters.delete(waiter)
        clearTimeout(timer)
        settled(error)
      },
    }
    const expire = () => {
      if (waiter.place === -1) return
      waiter.settle(this.#late(timeoutMs))
      expired?.()
    }
    this.#waiters.add(waiter)
    return waiter
  }

  /** Settles all that wait now. @param error what they are refused with; absent: what they waited for has come */
  settleAll(error?: StoreUnavailable): void {
    for (const waiter of [...this.#waiters]) waiter.settle(error)
  }
}
