// Events in the embedded store. Nothing here is worth an fsync: after a power cut the last moments of what happened may be
// missing, while the sessions themselves are as they were answered.

import { readEvent, readNodeReport, readSignal, writeEvent } from '../port/event-text.ts'
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
  scanLimit,
  signalLimit,
  signalRepeatMs,
  type TimelineEntry,
  type TimelineStep,
  timelineBatchLimit,
} from '../port/events.ts'
import { appendStep, readTimeline } from '../port/timeline.ts'
import { addCount, cellsOf, cellsOfWindow, emptyHistory } from '../port/usage-window.ts'
import type { Database } from './database.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const keepCountsMs = 3 * dayMs
/** A timeline whose session is not known any more. */
const defaultTimelineMs = dayMs
const notDurable = () => false

export class EmbeddedEvents implements EventStore {
  readonly #database: Database
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database) {
    this.#database = database
    this.#statements = prepareStatements(database)
  }

  async append(batch: EventBatch, limits: EventStoreLimits): Promise<{ newSignals: string[] }> {
    return this.#database.write(() => {
      const last = this.#statements.lastBatch.get(batch.run)
      // Boundary: a column of a STRICT table that only this file writes.
      if (last?.['batch'] === batch.id) return { newSignals: JSON.parse(String(last['newSignals'])) as string[] }
      this.#appendEvents(batch, limits.events)
      this.#count(batch)
      for (const sid of batch.active) this.#statements.setActive.run(sid, batch.at)
      const newSignals = batch.signals.filter((signal) => this.#appendSignal(signal)).map(({ id }) => id)
      this.#statements.setBatch.run(batch.run, batch.id, JSON.stringify(newSignals), batch.at)
      return { newSignals }
    }, notDurable)
  }

  #appendEvents({ events, lasting }: EventBatch, limit: number): void {
    const { append, trim, appendLasting, trimLasting } = this.#statements
    for (const event of events) {
      const row = [event.sid ?? null, event.sub ?? null, event.reason, writeEvent(event)] as const
      const position = append.run(...row).lastInsertRowid
      if (lasting?.has(event)) appendLasting.run(position, ...row)
    }
    if (events.length > 0) trim.run(limit)
    if (lasting !== undefined && lasting.size > 0) trimLasting.run(limit)
  }

  #count({ at, counts }: EventBatch): void {
    for (const [reason, count] of Object.entries(counts)) {
      for (const { table, field } of Object.values(cellsOf(at, reason))) {
        this.#statements.count.run(table, field, count, at + keepCountsMs)
      }
    }
  }

  #appendSignal(signal: Signal): boolean {
    const { findSignal, appendSignal, trimSignals } = this.#statements
    if (findSignal.get(signal.id, signal.at - signalRepeatMs) !== undefined) return false
    appendSignal.run(signal.id, signal.at, JSON.stringify(signal))
    trimSignals.run(signalLimit)
    return true
  }

  async mark(marks: readonly TimelineStep[], { timelineEntries }: EventStoreLimits): Promise<void> {
    this.#database.write(() => {
      for (const mark of marks.slice(0, timelineBatchLimit)) this.#mark(mark, timelineEntries)
    }, notDurable)
  }

  #mark(mark: TimelineStep, limit: number): void {
    const row = this.#statements.timeline.get(mark.sid)
    const entries = appendStep(String(row?.['entries'] ?? ''), mark, limit)
    const purgeAt = mark.keepUntil || Number(row?.['purgeAt'] ?? mark.at + defaultTimelineMs)
    this.#statements.setTimeline.run(mark.sid, entries, purgeAt)
  }

  async page(filter: EventFilter, { before, after, limit }: EventRange): Promise<EventPage> {
    const [newest, oldest] = [positionOf(before) ?? Number.MAX_SAFE_INTEGER, positionOf(after) ?? -1]
    const { sid = null, sub = null, reason = null, requestId = null } = filter
    const query = { newest, oldest, scanLimit, sid, sub, reason, requestId, limit }
    return this.#database.read(() => {
      const recent = readPage(this.#statements.recent, query)
      if (recent.next !== undefined) return recent
      const left = Number(this.#statements.firstEvent.get()?.['position'] ?? newest)
      const rest = { ...query, newest: Math.min(newest, left), limit: limit - recent.events.length }
      const { events, next } = readPage(this.#statements.lasting, rest)
      return { events: [...recent.events, ...events], next }
    })
  }

  async history(window: CountWindow, now: number): Promise<CountHistory> {
    const history = emptyHistory(window, now)
    for (const table of cellsOfWindow(window, now)) {
      const rows = this.#database.read(() => this.#statements.counts.all(table))
      for (const { field, count } of rows) addCount(history, window, String(field), Number(count))
    }
    return history
  }

  async countActive(now: number): Promise<{ hour: number; day: number }> {
    const count = (since: number) =>
      Number(this.#database.read(() => this.#statements.countActive.get(Math.floor(since / minuteMs)))?.['count'])
    return { hour: count(now - hourMs), day: count(now - dayMs) }
  }

  async timelines(sids: readonly string[]): Promise<TimelineEntry[][]> {
    return this.#database.read(() =>
      sids
        .slice(0, timelineBatchLimit)
        .map((sid) => readTimeline(String(this.#statements.timeline.get(sid)?.['entries'] ?? ''))),
    )
  }

  async signals({ severity }: SignalFilter, { before, limit }: Omit<EventRange, 'after'>): Promise<SignalPage> {
    const newest = positionOf(before) ?? Number.MAX_SAFE_INTEGER
    // One more than asked for tells whether there is a next page.
    const query = { newest, severity: severity ?? null, limit: limit + 1 }
    const rows = this.#database.read(() => this.#statements.signals.all(query))
    const shown = rows.slice(0, limit)
    return {
      signals: shown.map((row) => readSignal(String(row['signal']))),
      next: rows.length > limit ? idOf(shown.at(-1)?.['position']) : undefined,
    }
  }

  async heartbeat(report: NodeReport): Promise<void> {
    this.#database.write(() => {
      this.#statements.setNode.run(report.node, report.seenAt, JSON.stringify(report))
      this.#statements.forgetNodes.run(report.seenAt - forgetNodeAfterMs)
    }, notDurable)
  }

  async nodes(now: number): Promise<NodeReport[]> {
    const rows = this.#database.read(() => this.#statements.nodes.all(now - forgetNodeAfterMs))
    return rows.map((row) => readNodeReport(String(row['report'])))
  }

  /** When a gateway last said that it serves from this store, ms of its clock; undefined when none ever did. */
  lastSeenAt(): number | undefined {
    const at = this.#database.read(() => this.#statements.lastSeen.get()?.['at'])
    return at === null || at === undefined ? undefined : Number(at)
  }

  /** Deletes up to `limit` rows of each kind whose time has passed; inside a transaction. @returns how many of the most */
  purge(now: number, limit: number): number {
    const { purgeCounts, purgeActive, purgeTimelines, purgeBatches } = this.#statements
    const dayAgo = now - dayMs
    const purged = [
      purgeCounts.run(now, limit),
      purgeTimelines.run(now, limit),
      purgeActive.run(dayAgo, limit),
      purgeBatches.run(dayAgo, limit),
    ]
    return Math.max(...purged.map(({ changes }) => Number(changes)))
  }
}

interface PageQuery {
  newest: number
  oldest: number
  scanLimit: number
  sid: string | null
  sub: string | null
  reason: string | null
  requestId: string | null
  limit: number
}

type PageStatements = ReturnType<typeof preparePage>

function readPage({ page, lastScanned }: PageStatements, query: PageQuery): EventPage {
  const last = lastScanned.get(query.newest, query.oldest, query.scanLimit)?.['position']
  const events = page.all({ ...query }).map((row) => readEvent(idOf(row['position']), String(row['event'])))
  const next = events.length === query.limit ? events.at(-1)?.id : last === undefined ? undefined : idOf(last)
  return { events, next }
}

function preparePage(database: Database, table: 'events' | 'lastingEvents') {
  return {
    page: database.prepare(`
      SELECT position, event FROM (
        SELECT * FROM ${table} WHERE position < :newest AND position > :oldest ORDER BY position DESC LIMIT :scanLimit
      )
      WHERE (:sid IS NULL OR sid = :sid) AND (:sub IS NULL OR sub = :sub) AND (:reason IS NULL OR reason = :reason)
        AND (:requestId IS NULL OR event ->> 'requestId' = :requestId)
      ORDER BY position DESC LIMIT :limit`),
    // The last event that a page may look at, if there is a full page of them.
    lastScanned: database.prepare(
      `SELECT position FROM ${table} WHERE position < ? AND position > ? ORDER BY position DESC LIMIT 1 OFFSET ? - 1`,
    ),
  }
}

function idOf(position: unknown): string {
  return `${position}-0`
}

function positionOf(id: string | undefined): number | undefined {
  return id === undefined ? undefined : Number(id.split('-', 1)[0])
}

function prepareStatements(database: Database) {
  const prepare = (sql: string) => database.prepare(sql)
  const purge = (table: string, key: string, column: string) =>
    prepare(`DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${column} < ? LIMIT ?)`)
  return {
    append: prepare('INSERT INTO events (sid, sub, reason, event) VALUES (?, ?, ?, ?)'),
    trim: prepare('DELETE FROM events WHERE position <= (SELECT max(position) FROM events) - ?'),
    appendLasting: prepare('INSERT INTO lastingEvents (position, sid, sub, reason, event) VALUES (?, ?, ?, ?, ?)'),
    trimLasting: prepare('DELETE FROM lastingEvents WHERE number <= (SELECT max(number) FROM lastingEvents) - ?'),
    lastBatch: prepare('SELECT batch, newSignals FROM eventBatches WHERE run = ?'),
    setBatch: prepare('INSERT OR REPLACE INTO eventBatches VALUES (?, ?, ?, ?)'),
    count: prepare(
      'INSERT INTO usageCounts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count',
    ),
    counts: prepare('SELECT field, count FROM usageCounts WHERE "table" = ?'),
    // Not OR REPLACE, which deletes without a trigger: the minutes are counted by triggers.
    setActive: prepare('INSERT INTO activeSessions VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at'),
    countActive: prepare('SELECT sum(sessions) AS count FROM activeMinutes WHERE minute > ?'),
    findSignal: prepare('SELECT 1 FROM signals WHERE id = ? AND at > ? LIMIT 1'),
    appendSignal: prepare('INSERT INTO signals (id, at, signal) VALUES (?, ?, ?)'),
    trimSignals: prepare('DELETE FROM signals WHERE position <= (SELECT max(position) FROM signals) - ?'),
    signals: prepare(`
      SELECT position, signal FROM signals
      WHERE position < :newest AND (:severity IS NULL OR signal ->> 'severity' = :severity)
      ORDER BY position DESC LIMIT :limit`),
    timeline: prepare('SELECT entries, purgeAt FROM timelines WHERE sid = ?'),
    setTimeline: prepare('INSERT OR REPLACE INTO timelines VALUES (?, ?, ?)'),
    recent: preparePage(database, 'events'),
    lasting: preparePage(database, 'lastingEvents'),
    firstEvent: prepare('SELECT min(position) AS position FROM events'),
    setNode: prepare('INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)'),
    lastSeen: prepare('SELECT max(seenAt) AS at FROM nodes'),
    forgetNodes: prepare('DELETE FROM nodes WHERE seenAt <= ?'),
    nodes: prepare('SELECT report FROM nodes WHERE seenAt > ? ORDER BY node'),
    purgeCounts: purge('usageCounts', '"table", field', 'purgeAt'),
    purgeActive: purge('activeSessions', 'sid', 'at'),
    purgeBatches: purge('eventBatches', 'run', 'at'),
    purgeTimelines: purge('timelines', 'sid', 'purgeAt'),
  }
}
