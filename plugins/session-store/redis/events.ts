// Events in Redis: a Stream, counts in hashes, sessions alive in HyperLogLogs, all in one slot; a timeline a session, in the
// slot of its subject. A batch is one script and one round trip.

import { matches, mayMatch, readEvent, readNodeReport, readSignal, writeEvent } from '../port/event-text.ts'
import {
  type CountHistory,
  type CountWindow,
  type EventBatch,
  type EventFilter,
  type EventPage,
  type EventRange,
  type EventStore,
  type EventStoreLimits,
  forgetNodeAfterMs,
  type NodeReport,
  type Signal,
  type SignalFilter,
  type SignalPage,
  type StoredEvent,
  scanLimit,
  signalLimit,
  signalRepeatMs,
  type TimelineEntry,
  type TimelineStep,
  timelineBatchLimit,
} from '../port/events.ts'
import { readTimeline, signatureOf } from '../port/timeline.ts'
import { addCount, cellsOf, cellsOfWindow, emptyHistory } from '../port/usage-window.ts'
import type { Argument, RedisLink } from './connection/link.ts'
import type { RedisNames } from './key-names.ts'
import { scripts } from './scripts.ts'

const tenMinutesMs = 600_000
const hourMs = 3_600_000
/** Events fetched at once while a filter looks for its own. */
const scanStep = 500

/** A step of a timeline: its key, and what append-timeline.lua reads. */
interface Step {
  key: string
  step: string
}

export class RedisEvents implements EventStore {
  readonly #link: RedisLink
  readonly #names: RedisNames
  readonly #isCluster: boolean

  constructor(link: RedisLink, names: RedisNames, isCluster: boolean) {
    this.#link = link
    this.#names = names
    this.#isCluster = isCluster
  }

  async append(batch: EventBatch, limits: EventStoreLimits): Promise<{ newSignals: string[] }> {
    const { events, active, signals, counts, lasting } = batch
    const cells = Object.entries(counts).map(([reason, count]) => ({ ...cellsOf(batch.at, reason), count }))
    const names = this.#names
    const keys = [
      names.events(),
      names.events(`b${batch.run}`),
      names.events(`m${Math.floor(batch.at / hourMs)}`),
      names.events(`d${Math.floor(batch.at / (24 * hourMs))}`),
      names.events(`t${Math.floor(batch.at / tenMinutesMs)}`),
      names.events(`h${Math.floor(batch.at / hourMs)}`),
      names.events('signals'),
      names.events('lasting'),
      ...signals.map(({ id }) => names.events(`s${id}`)),
    ]
    const sizes = [cells.length, active.length, signals.length]
    const reply = await this.#link.run(scripts.appendEvents, keys, [
      ...[`${batch.run} ${batch.id}`, limits.events, signalLimit, signalRepeatMs],
      // As one argument: the client looks at each one of them.
      ...[events.map((event) => (lasting?.has(event) ? '!' : '') + writeEvent(event)).join('\n'), ...sizes],
      ...cells.flatMap(({ hour, day, count }): Argument[] => [hour.field, day.field, count]),
      ...active,
      ...signals.map((signal) => JSON.stringify(signal)),
    ])
    // Boundary: append-events.lua answers numbers of signals.
    return { newSignals: (reply as number[]).map((at) => signals[at - 1]?.id ?? '') }
  }

  async mark(marks: readonly TimelineStep[], { timelineEntries }: EventStoreLimits): Promise<void> {
    const steps = marks.slice(0, timelineBatchLimit).flatMap((mark) => {
      const key = this.#names.timeline(mark.sid)
      return key === undefined ? [] : { key, step: stepOf(mark) }
    })
    await Promise.all(this.#bySlot(steps).map((group) => this.#stepTogether(group, timelineEntries)))
  }

  async #stepTogether(steps: readonly Step[], limit: number): Promise<void> {
    const keys = steps.map(({ key }) => key)
    await this.#link.run(scripts.appendTimeline, keys, [limit, ...steps.map(({ step }) => step)])
  }

  // One script may touch one slot of a Cluster, which is that of a subject; elsewhere one script does for all.
  #bySlot(steps: readonly Step[]): (readonly Step[])[] {
    if (steps.length === 0) return []
    if (!this.#isCluster) return [steps]
    const bySubject = Object.groupBy(steps, ({ key }) => key.slice(0, key.indexOf('/')))
    return Object.values(bySubject).flatMap((group) => (group ? [group] : []))
  }

  async page(filter: EventFilter, { before, after, limit }: EventRange): Promise<EventPage> {
    const found: StoredEvent[] = []
    let last = before
    let scanned = 0
    const isFiltered = Object.values(filter).some((value) => value !== undefined)
    // An event has the same place in both: what the first one holds is passed by in the second.
    for (const stream of [this.#names.events(), this.#names.events('lasting')]) {
      for (let isMore = true; isMore; ) {
        if (scanned >= scanLimit) return { events: found, next: last }
        const count = isFiltered ? scanStep : limit - found.length
        const events = await this.#read(stream, { before: last, after, limit: count })
        scanned += events.length
        for (const [id, text] of events) {
          last = id
          const event = mayMatch(filter, text) ? readEvent(id, text) : undefined
          if (event !== undefined && matches(filter, event)) found.push(event)
          if (found.length === limit) return { events: found, next: last }
        }
        isMore = events.length === count
      }
    }
    return { events: found, next: undefined }
  }

  async #read(stream: string, { before, after, limit }: EventRange): Promise<[id: string, text: string][]> {
    // Redis calls it an error to ask for what is before its first place.
    if (before !== undefined && /^0+-0+$/.test(before)) return []
    const [newest, oldest] = [before === undefined ? '+' : `(${before}`, after === undefined ? '-' : `(${after}`]
    return readEntries(await this.#link.command('XREVRANGE', [stream, newest, oldest, 'COUNT', limit]))
  }

  async history(window: CountWindow, now: number): Promise<CountHistory> {
    const history = emptyHistory(window, now)
    const keys = cellsOfWindow(window, now).map((key) => this.#names.events(key))
    for (const reply of await Promise.all(keys.map((key) => this.#link.command('HGETALL', [key])))) {
      // Boundary: HGETALL answers names and values in turn.
      const flat = (reply as Buffer[]).map(String)
      for (let i = 0; i < flat.length; i += 2) addCount(history, window, flat[i] ?? '', Number(flat[i + 1]))
    }
    return history
  }

  async countActive(now: number): Promise<{ hour: number; day: number }> {
    const tens = Array.from({ length: 7 }, (_, i) => this.#names.events(`t${Math.floor(now / tenMinutesMs) - i}`))
    const hours = Array.from({ length: 25 }, (_, i) => this.#names.events(`h${Math.floor(now / hourMs) - i}`))
    const [hour, day] = await Promise.all([this.#link.command('PFCOUNT', tens), this.#link.command('PFCOUNT', hours)])
    return { hour: Number(hour), day: Number(day) }
  }

  timelines(sids: readonly string[]): Promise<TimelineEntry[][]> {
    return Promise.all(sids.slice(0, timelineBatchLimit).map((sid) => this.#timeline(sid)))
  }

  async #timeline(sid: string): Promise<TimelineEntry[]> {
    const name = this.#names.timeline(sid)
    const text = name === undefined ? null : await this.#link.command('GET', [name])
    return text === null ? [] : readTimeline(String(text))
  }

  async signals({ severity }: SignalFilter, { before, limit }: Omit<EventRange, 'after'>): Promise<SignalPage> {
    const found: { id: string; signal: Signal }[] = []
    let last = before
    // To the end of the stream if need be, which `signalLimit` is near. One more than asked for tells whether there is a next page.
    while (found.length <= limit) {
      const count = severity === undefined ? limit + 1 : scanStep
      const entries = await this.#read(this.#names.events('signals'), { before: last, limit: count })
      const read = entries.map(([id, text]) => ({ id, signal: readSignal(text) }))
      found.push(...read.filter(({ signal }) => severity === undefined || signal.severity === severity))
      if (entries.length < count) break
      last = entries.at(-1)?.[0]
    }
    const shown = found.slice(0, limit)
    return {
      signals: shown.map(({ signal }) => signal),
      next: found.length > limit ? shown.at(-1)?.id : undefined,
    }
  }

  async heartbeat(report: NodeReport): Promise<void> {
    const text = `${report.seenAt} ${JSON.stringify(report)}`
    await this.#link.run(scripts.heartbeat, [this.#names.events('nodes')], [report.node, text, forgetNodeAfterMs])
  }

  async nodes(now: number): Promise<NodeReport[]> {
    // Boundary: HVALS answers texts, written by `heartbeat`.
    const texts = (await this.#link.command('HVALS', [this.#names.events('nodes')])) as Buffer[]
    return texts
      .map((text) => readNodeReport(String(text).replace(/^\d+ /, '')))
      .filter(({ seenAt }) => seenAt > now - forgetNodeAfterMs)
      .sort((a, b) => a.node.localeCompare(b.node))
  }
}

// As append-timeline.lua reads it.
function stepOf(mark: TimelineStep): string {
  const keepMs = mark.keepUntil === 0 ? 0 : Math.max(1, Math.ceil(mark.keepUntil - mark.at))
  return `${Math.floor(mark.at / 1000)} ${mark.generation} ${keepMs} ${signatureOf(mark)}`
}

// [[position, [name, value]], ...]
function readEntries(reply: unknown): [id: string, text: string][] {
  // Boundary: XREVRANGE of a stream that only append-events.lua writes.
  const entries = reply as [Buffer, Buffer[]][]
  return entries.map(([id, fields]) => [String(id), String(fields[1] ?? '')])
}
