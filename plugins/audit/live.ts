// Live events for those who watch: one look at the store for all of them together, as server-sent events (WHATWG HTML section
// 9.2). A reader that does not keep up is dropped, never buffered for.
import { Readable } from 'node:stream'
import type { CountHistory, EventStore, StoredEvent } from '../session-store/port/events.ts'

export interface LiveOptions {
  store: EventStore
  /** ms */
  clock: () => number
  /** The event as it goes out. */
  view: (event: StoredEvent) => object
}

/** A `usage` message: how often each reason came since the last one, on all nodes. */
export interface CountDelta {
  /** RFC 3339. */
  at: string
  counts: Record<string, number>
}

const lookEveryMs = 500
/** Looks between two messages of counts: 2 s. */
const looksPerUsage = 4
/** Looks between two comments: 15 s. */
const looksPerHeartbeat = 30
const eventsPerLook = 200
/** What a reader may leave unread. */
const unreadLimitBytes = 256 * 1024
const readerLimit = 100

/** One who watches: a stream to be sent. */
export class LiveReader extends Readable {
  readonly #isOver: () => boolean

  /** @param isOver whether it must end: asked at each look */
  constructor(isOver: () => boolean) {
    super()
    this.#isOver = isOver
  }

  override _read(): void {}

  /** Sends, or ends a reader that must not or does not read. */
  write(text: string): void {
    if (this.destroyed || this.readableEnded) return
    if (this.#isOver()) this.push(null)
    else if (this.readableLength > unreadLimitBytes) this.destroy()
    else this.push(text)
  }
}

export class LiveEvents {
  readonly #options: LiveOptions
  readonly #readers = new Set<LiveReader>()
  #timer: NodeJS.Timeout | undefined
  #last: string | undefined
  #looks = 0
  #isLooking = false
  #history: CountHistory | undefined

  constructor(options: LiveOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#readers.size
  }

  /**
   * Lets somebody watch from now on.
   * @param isOver asked again and again: whether the reader may watch no longer
   * @returns the stream to send; undefined when too many watch already
   */
  open(isOver: () => boolean): LiveReader | undefined {
    if (this.#readers.size >= readerLimit) return undefined
    const reader = new LiveReader(isOver)
    this.#readers.add(reader)
    reader.once('close', () => this.#leave(reader))
    reader.write(': live\n\n')
    this.#timer ??= setInterval(() => void this.look(), lookEveryMs).unref()
    return reader
  }

  /** Sends what is new. Never rejects: while the store is away, the readers are told so. */
  async look(): Promise<void> {
    if (this.#isLooking || this.#readers.size === 0) return
    this.#isLooking = true
    try {
      this.#send(await this.#news())
    } catch {
      this.#send(': the store is away\n\n')
    } finally {
      this.#isLooking = false
    }
  }

  /** Ends all who watch. */
  close(): void {
    for (const reader of this.#readers) reader.push(null)
    clearInterval(this.#timer)
  }

  async #news(): Promise<string> {
    this.#looks += 1
    this.#history ??= await this.#options.store.history('hour', this.#options.clock())
    const messages = (await this.#newEvents()).map((event) => message('event', this.#options.view(event)))
    if (this.#looks % looksPerUsage === 0) messages.push(message('usage', await this.#countUp()))
    if (this.#looks % looksPerHeartbeat === 0) messages.push(': still here\n\n')
    return messages.join('')
  }

  // Oldest first. Of more than fit, the newest: this is for eyes, the page of events has them all.
  async #newEvents(): Promise<StoredEvent[]> {
    const isFirst = this.#last === undefined
    const { events } = await this.#options.store.page({}, { after: this.#last, limit: isFirst ? 1 : eventsPerLook })
    this.#last = events[0]?.id ?? this.#last ?? '0-0'
    return isFirst ? [] : events.reverse()
  }

  async #countUp(): Promise<CountDelta> {
    const now = this.#options.clock()
    const history = await this.#options.store.history('hour', now)
    const counts = increase(this.#history ?? history, history)
    this.#history = history
    return { at: new Date(now).toISOString(), counts }
  }

  #send(text: string): void {
    for (const reader of this.#readers) reader.write(text)
  }

  #leave(reader: LiveReader): void {
    this.#readers.delete(reader)
    if (this.#readers.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#last = undefined
    this.#history = undefined
  }
}

function message(event: string, data: object): string {
  // JSON has no line breaks outside of its texts, and none inside.
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

const stepMs = 60_000

// By how much the counts of the minutes that both histories know have risen.
function increase(before: CountHistory, after: CountHistory): Record<string, number> {
  const shift = (after.from - before.from) / stepMs
  const sum = (counts: readonly number[] = []) => counts.reduce((total, count) => total + count, 0)
  const risen = Object.entries(after.reasons).map(([reason, counts]): [string, number] => [
    reason,
    sum(counts) - sum(before.reasons[reason]?.slice(Math.max(0, shift))),
  ])
  return Object.fromEntries(risen.filter(([, count]) => count > 0))
}
