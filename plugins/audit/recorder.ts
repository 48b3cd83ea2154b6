// Gathers what happened and hands it to the store in batches, off every request's path. It must never throw, never wait and
// never grow without bound: what does not fit is counted as dropped, and the request knows nothing of it.
import { EvenLimit } from '../collections/even-limit.ts'
import type {
  EventBatch,
  EventStore,
  EventStoreLimits,
  NewEvent,
  Signal,
  TimelineStep,
} from '../session-store/port/events.ts'
import type { Session } from '../session-store/port/store.ts'
import { endsAt } from '../session-store/rotation.ts'
import { rowOf } from './reasons/index.ts'

export interface RecorderOptions {
  store: EventStore
  limits: EventStoreLimits
  /** ms */
  clock: () => number
  /** Hears which signals nobody had found before. */
  onNewSignals: (signals: Signal[]) => void
  onFailure: (error: unknown) => void
  /**
   * Goes on counting. `dropped`: events and steps of timelines that were lost. `sampled`: events that were not kept, because
   * there were too many refusals of a kind in a second, or too many refreshes of one session.
   */
  lost: { dropped: number; sampled: number }
}

const flushEveryMs = 250
const flushWithinMs = 250
/** What may wait of each kind. */
const queueLimit = 10_000
const batchLimit = 400
/** Sessions seen alive, of one batch. */
const activeLimit = 1000
/** Signals are few and worth keeping. */
const signalLimit = 200
/** Of each reason that refuses, so many a second are kept as events; all are counted. A flood then displaces little. */
const refusalsPerSecond = 20
/**
 * Of reasons that repeat, so much of one session is kept as events, a third at once; all of it is counted. Whoever refreshes as
 * access tokens expire stays far below.
 */
const repeatsKept = { max: 30, windowMs: 10 * 60_000 }
/** What lasts of what one person brings about alone, by signing in and out: it must not push out what administrators do. */
const lastingKept = { max: 300, windowMs: 30 * 60_000 }
/** A timeline outlives its session by so much: the question why it ended comes afterwards. */
const keepTimelineMs = 24 * 60 * 60 * 1000

/** A step of a timeline that waits. */
interface Step {
  event: NewEvent
  sid: string
  /** Until when the timeline is needed, ms; 0 to leave that as it is. */
  keepUntil: number
}

export class Recorder {
  readonly #options: RecorderOptions
  // Texts and marks are made when they leave: a request pays for no more than places in lists.
  readonly #events: NewEvent[] = []
  readonly #steps: Step[] = []
  readonly #signals: Signal[] = []
  readonly #active = new Set<string>()
  readonly #errorResponses = new Map<string, { second: number; kept: number }>()
  readonly #repeats: EvenLimit
  readonly #lasting: EvenLimit
  readonly #run = crypto.randomUUID()
  #counts: Record<string, number> = {}
  #unsent: EventBatch | undefined
  #batches = 0
  #underWay: Promise<void> = Promise.resolve()
  #following: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#repeats = new EvenLimit({ ...repeatsKept, clock: options.clock })
    this.#lasting = new EvenLimit({ ...lastingKept, clock: options.clock })
  }

  /** What waits to be handed over. */
  get waiting(): number {
    return this.#events.length + this.#steps.length + this.#signals.length
  }

  start(): void {
    this.#timer = setInterval(() => void this.flush(), flushEveryMs).unref()
  }

  /** Hands over what is left, once. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  /** @param session as it is afterwards, where there is one */
  record(event: NewEvent, session?: Session): void {
    const { reason, granted, sid } = event
    const { events, timelineEntries } = this.#options.limits
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1
    if (events > 0 && this.#mayKeep(event)) this.#push(this.#events, event)
    if (sid === undefined) return
    if (granted && session && this.#active.size < queueLimit) this.#active.add(sid)
    if (timelineEntries === 0 || rowOf(reason)?.sentence === undefined) return
    this.#push(this.#steps, { event, sid, keepUntil: session ? endsAt(session) + keepTimelineMs : 0 })
  }

  // A batch that is full leaves at once: what waits is copied by each collection of garbage meanwhile, and a store that gets one
  // batch after the other has nobody else waiting for long.
  #push<T>(queue: T[], one: T): void {
    if (queue.length >= queueLimit) this.#options.lost.dropped += 1
    else if (queue.push(one) === batchLimit) setImmediate(() => void this.flush())
  }

  signal(signal: Signal): void {
    if (this.#signals.length < signalLimit) this.#signals.push(signal)
    else this.#options.lost.dropped += 1
  }

  /** Hands over what was gathered until now. Never rejects; what the store did not take is tried again, or counted as dropped. */
  flush(): Promise<void> {
    // One that is under way has left without the newest: another one follows it, for all who ask meanwhile.
    this.#following ??= this.#underWay.then(() => {
      this.#following = undefined
      this.#underWay = this.#flush()
      return this.#underWay
    })
    return this.#following
  }

  /** For a reader who is to see what has just happened: hands over what waits, but makes nobody wait for long. */
  async flushForReader(): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(() => late.resolve(), flushWithinMs).unref()
    await Promise.race([this.flush(), late.promise])
    clearTimeout(timer)
  }

  // Side by side: the first of both leave in one write. What comes meanwhile waits for its own turn: taken along, each response of
  // the store would be followed by a batch of the few events that came while it was on its way.
  async #flush(): Promise<void> {
    await Promise.all([this.#sendBatches(), this.#sendMarks()])
  }

  async #sendBatches(): Promise<void> {
    try {
      if (this.#unsent) await this.#send(this.#unsent)
      for (let left = this.#batchesOfNews(); left > 0; left -= 1) await this.#send(this.#takeBatch())
    } catch (error) {
      this.#options.onFailure(error)
    }
  }

  async #send(batch: EventBatch): Promise<void> {
    this.#unsent = batch
    const { newSignals } = await this.#options.store.append(batch, this.#options.limits)
    this.#unsent = undefined
    if (newSignals.length > 0) this.#options.onNewSignals(batch.signals.filter(({ id }) => newSignals.includes(id)))
  }

  // A step may have been taken although its response was lost, and would count twice: it is not sent again.
  async #sendMarks(): Promise<void> {
    for (let left = Math.ceil(this.#steps.length / batchLimit); left > 0; left -= 1) {
      const marks = this.#steps.splice(0, batchLimit).map(toMark)
      try {
        await this.#options.store.mark(marks, this.#options.limits)
      } catch (error) {
        this.#options.lost.dropped += marks.length
        this.#options.onFailure(error)
        return
      }
    }
  }

  #batchesOfNews(): number {
    const full = Math.max(this.#events.length / batchLimit, this.#active.size / activeLimit)
    return full === 0 && (this.#signals.length > 0 || hasAny(this.#counts)) ? 1 : Math.ceil(full)
  }

  #takeBatch(): EventBatch {
    const counts = this.#counts
    this.#counts = {}
    this.#batches += 1
    const events = this.#events.splice(0, batchLimit)
    const active = [...this.#active].slice(0, activeLimit)
    for (const sid of active) this.#active.delete(sid)
    return {
      run: this.#run,
      id: this.#batches,
      at: this.#options.clock(),
      events,
      lasting: new Set(events.filter((event) => this.#lasts(event))),
      signals: this.#signals.splice(0, batchLimit),
      counts,
      active,
    }
  }

  #lasts({ reason, sub, actor }: NewEvent): boolean {
    if (!rowOf(reason)?.lasts) return false
    return sub === undefined || actor !== undefined || this.#lasting.take(sub)
  }

  #mayKeep({ reason, at, granted, sid }: NewEvent): boolean {
    if (sid !== undefined && rowOf(reason)?.repeats && !this.#repeats.take(sid)) {
      this.#options.lost.sampled += 1
      return false
    }
    if (granted || rowOf(reason)?.lasts) return true
    const second = Math.floor(at / 1000)
    const budget = this.#errorResponses.get(reason)
    if (budget?.second !== second) {
      this.#errorResponses.set(reason, { second, kept: 1 })
      return true
    }
    budget.kept += 1
    if (budget.kept <= refusalsPerSecond) return true
    this.#options.lost.sampled += 1
    return false
  }
}

function hasAny(counts: Record<string, number>): boolean {
  for (const _ in counts) return true
  return false
}

// Whoever acted from elsewhere does not show in the person's own timeline.
function toMark({ event, sid, keepUntil }: Step): TimelineStep {
  const { at, node, reason, generation = 0, client = '', network = '', actor } = event
  const isOwn = actor === undefined
  return { sid, at, reason, generation, node, client: isOwn ? client : '', network: isOwn ? network : '', keepUntil }
}
