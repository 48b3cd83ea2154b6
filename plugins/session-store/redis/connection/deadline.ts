// Deadlines of what waits for Redis. Each ends once: it is met by what was waited for, refused, or missed. They send nothing and
// know no connection.
import { DenseSet, type Listed } from '../../../collections/dense-set.ts'
import type { StoreUnavailable } from '../../port/store.ts'

export class Deadline<T> implements Listed {
  place = -1
  /** Resolves when the deadline is met, rejects when it is refused or missed. */
  readonly promise: Promise<T>
  readonly #among: Deadlines
  readonly #timeoutMs: number
  readonly #onMissed: (() => void) | undefined
  #resolve: (value: T) => void = () => {}
  #reject: (error: StoreUnavailable) => void = () => {}
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  /** Made by `Deadlines.add`. */
  constructor(among: Deadlines, timeoutMs: number, onMissed: (() => void) | undefined) {
    this.#among = among
    this.#timeoutMs = timeoutMs
    this.#onMissed = onMissed
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** The time runs from now on. */
  start(): void {
    if (this.#isOver) return
    // When this process itself was held up, responses lie here unread, and timers run before they are read: after them it is
    // known who was late.
    this.#timer = setTimeout(() => setImmediate(() => this.#miss()), Math.max(0, this.#timeoutMs))
  }

  /** What was waited for has come; nothing happens to a deadline that is over. */
  meet(value: T): void {
    if (this.#isOver) return
    this.#end()
    this.#resolve(value)
  }

  /** It will not come; nothing happens to a deadline that is over. */
  refuse(error: StoreUnavailable): void {
    if (this.#isOver) return
    this.#end()
    this.#reject(error)
  }

  #miss(): void {
    if (this.#isOver) return
    this.refuse(this.#among.missed(this.#timeoutMs))
    this.#onMissed?.()
  }

  #end(): void {
    this.#isOver = true
    this.#among.delete(this)
    clearTimeout(this.#timer)
  }
}

/** The deadlines that are open. */
export class Deadlines {
  readonly #open = new DenseSet<Deadline<unknown>>()
  /** Makes the error of one that was missed after so long, ms. */
  readonly missed: (timeoutMs: number) => StoreUnavailable

  constructor(missed: (timeoutMs: number) => StoreUnavailable) {
    this.missed = missed
  }

  get size(): number {
    return this.#open.size
  }

  /** @param onMissed called after it was refused because it was missed */
  add<T>(timeoutMs: number, onMissed?: () => void): Deadline<T> {
    const deadline = new Deadline<T>(this, timeoutMs, onMissed)
    // Boundary: in the set it is only ended, never met with a value.
    this.#open.add(deadline as Deadline<unknown>)
    return deadline
  }

  delete(deadline: Listed): void {
    // Boundary: only a member of the set deletes itself.
    this.#open.delete(deadline as Deadline<unknown>)
  }

  refuseAll(error: StoreUnavailable): void {
    for (const deadline of [...this.#open]) deadline.refuse(error)
  }

  /** Meets all that wait for nothing but a moment. */
  meetAll(): void {
    for (const deadline of [...this.#open]) deadline.meet(undefined)
  }
}
