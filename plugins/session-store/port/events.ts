// The part of the store port that keeps what happened: the capped stream of events, counts over all nodes, timelines of
// sessions, signals and who is up. Two adapters implement it, the contract holds both to it. Nothing of it decides anything:
// the gateway serves as well without it, so no verb here may stand between a request and its response.
import type { Reason } from '../../audit/reasons/index.ts'

/** What happened. Texts are short and hold no control characters; times are ms of the node's clock. */
export interface StoredEvent {
  /** `<number>-<number>`: a place in the stream, later ones are greater. */
  id: string
  at: number
  node: string
  /** A word of the closed list; another version of the gateway may know more. */
  reason: string
  granted: boolean
  sub?: string
  sid?: string
  generation?: number
  /** What the client calls itself; a label, never evidence. Without it and a network the gateway itself acted. */
  client?: string
  /** As much of its address as events keep. */
  network?: string
  /** Of the refresh token that was presented. */
  tokenAgeSeconds?: number
  /** Who did it to `sub`, when that was somebody else. */
  actor?: string
  /** A short phrase for operators; never input of a client. */
  detail?: string
  /** Of a refusal: what its client was shown, and the log has as `reqId`. */
  requestId?: string
  method?: string
  /** The pattern of the route that was met, such as `/orders/*`; never a path. */
  route?: string
  /** The instance of a service, where it is known: an origin of the config. */
  instance?: string
}

type Always = 'at' | 'node' | 'granted'

/**
 * The same as a node records it and hands it over: with a reason of this version, and a member that is undefined is left out.
 * Thousands wait to be stored, so none holds on to a request or a session.
 */
export type NewEvent = { reason: Reason } & Pick<StoredEvent, Always> & {
    [Member in Exclude<keyof StoredEvent, 'id' | 'reason' | Always>]?: StoredEvent[Member] | undefined
  }

/** Something that somebody should look at, found by a rule in the events of one node. */
export interface Signal {
  /** The same for the same finding, on every node: it is stored, told and acted upon once. */
  id: string
  rule: string
  at: number
  node: string
  sub?: string
  sid?: string
  severity: 'info' | 'warning' | 'alarm'
  what: string
  numbers: Record<string, number | string>
  threshold: number
  why: string
  action: 'report' | 'revoke' | 'login'
}

/** What a node gathered since its last batch. */
export interface EventBatch {
  /** Who gathers: another one for every recorder, also of one node. */
  run: string
  /** Another one for every batch of a run: one that is sent twice counts once. */
  id: number
  /** When it was put together, ms: counts belong to this minute. */
  at: number
  events: readonly NewEvent[]
  /** Those of them that are kept longer: in a stream of their own as well, which is bounded by itself. */
  lasting?: ReadonlySet<NewEvent>
  /** How often each reason came, those included that are not among `events`. */
  counts: Readonly<Record<string, number>>
  /** Sessions seen alive. */
  active: readonly string[]
  signals: readonly Signal[]
}

/** One step of a session's life, to be put at the end of its timeline. */
export interface TimelineStep {
  sid: string
  at: number
  reason: string
  node: string
  client: string
  network: string
  /** 0 when it is not about one. */
  generation: number
  /** Until when the timeline is needed, ms; 0 to leave that as it is. */
  keepUntil: number
}

/** Equal steps in a row, as one. Times are ms, of whole seconds. */
export interface TimelineEntry {
  at: number
  /** When the last of them happened. */
  until: number
  count: number
  reason: string
  /** Of the last of them; 0 for none. */
  generation: number
  node: string
  client: string
  network: string
}

export interface EventFilter {
  sid?: string
  sub?: string
  reason?: string
  requestId?: string
}

export interface EventRange {
  /** Only what is older than this event. */
  before?: string | undefined
  /** Only what is newer than this event. */
  after?: string | undefined
  /** 1 to 200. */
  limit: number
}

export interface EventPage {
  /** Newest first. */
  events: StoredEvent[]
  /**
   * Give this as `before` for the next page; undefined at the end. A filter looks at no more than `scanLimit` events a page, so
   * a page may be short, or empty, and yet have a next one.
   */
  next: string | undefined
}

export interface SignalFilter {
  severity?: Signal['severity'] | undefined
}

export interface SignalPage {
  /** Newest first; as many as were asked for, as long as there are. */
  signals: Signal[]
  /** Give this as `before` for the next page; undefined at the end. */
  next: string | undefined
}

/** Events that one page may look at for a filter. */
export const scanLimit = 5000

export type CountWindow = 'hour' | 'day'

/** Steps of the history: an hour by minutes, a day by ten minutes. */
export const windows = {
  hour: { stepSeconds: 60, steps: 60 },
  day: { stepSeconds: 600, steps: 144 },
} as const satisfies Record<CountWindow, { stepSeconds: number; steps: number }>

/** Counts of all nodes together. */
export interface CountHistory {
  /** ms: when the first step begins; the last one is the step of now. */
  from: number
  reasons: Record<string, number[]>
}

/** What a node says about itself, every few seconds. */
export interface NodeReport {
  node: string
  /** ms of its clock. */
  seenAt: number
  startedAt: number
  revocationLogAgeMs: number
  revocationEntries: number
  /** How far the store's clock is ahead of this node's, ms; absent while it is not known. */
  storeAheadMs?: number | undefined
  version: string
}

/** A node that was silent for so long is forgotten, ms. */
export const forgetNodeAfterMs = 10 * 60_000
/** The same finding is told once in so long, ms. */
export const signalRepeatMs = 60 * 60_000
/** Signals that are kept. */
export const signalLimit = 1000
/** Timelines that one verb reads or writes. */
export const timelineBatchLimit = 400

export interface EventStoreLimits {
  /** Events kept, about, and as many again of those that last; the oldest leave. */
  events: number
  /** Entries of a timeline: the first and the newest are kept. */
  timelineEntries: number
}

export interface EventStore {
  /**
   * Adds what a node gathered. A batch sent twice changes nothing the second time.
   * @returns the ids of the signals that nobody had stored before
   */
  append(batch: EventBatch, limits: EventStoreLimits): Promise<{ newSignals: string[] }>
  /** Adds steps to timelines, in order; at most `timelineBatchLimit`. A step like the one before it is folded into it. */
  mark(marks: readonly TimelineStep[], limits: EventStoreLimits): Promise<void>
  /** Events, newest first; behind those that have left, the ones that last. */
  page(filter: EventFilter, range: EventRange): Promise<EventPage>
  /** @param now ms, of the clock that dates the batches */
  history(window: CountWindow, now: number): Promise<CountHistory>
  /** How many sessions were seen alive in the last hour and day, about. */
  countActive(now: number): Promise<{ hour: number; day: number }>
  /** The timelines of sessions, oldest entry first; an empty one for a session without. At most `timelineBatchLimit`. */
  timelines(sids: readonly string[]): Promise<TimelineEntry[][]>
  /** Signals, newest first, in the order in which the store took them. */
  signals(filter: SignalFilter, range: Omit<EventRange, 'after'>): Promise<SignalPage>
  heartbeat(report: NodeReport): Promise<void>
  nodes(now: number): Promise<NodeReport[]>
}
