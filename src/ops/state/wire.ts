// The types of what the page reads from the gateway: the responses of the routes under /admin. Only types; no browser loads
// this file. The routes' schemas decide; what a newer gateway adds is ignored.
export type { AdminSessionView as SessionRecord } from '../../routes/wire/sessions.ts'

/** One thing that happened: an entry of GET /admin/events, or an `event` of the live stream. */
export interface HappenedEvent {
  id: string
  /** RFC 3339. */
  at: string
  node: string
  reason: string
  granted: boolean
  sub?: string
  sid?: string
  generation?: number
  client?: string
  network?: string
  token_age_seconds?: number
  actor?: string
  detail?: string
}

/** GET /admin/events: newest first. */
export interface EventPageView {
  events: HappenedEvent[]
  next: string | null
}

/** GET /admin/usage/history: counts of all nodes together, a number for each step. */
export interface CountHistoryView {
  step_seconds: number
  /** RFC 3339; where the first step begins. */
  from: string
  reasons: Record<string, number[]>
}

/** A `usage` event of the live stream: counts since the last one. */
export interface CountDelta {
  at: string
  counts: Record<string, number>
}

export interface GatewayNode {
  node: string
  seen_at: string
  started_at: string
  revocation_log_age_ms: number
  revocation_entries: number
  store_ahead_ms?: number
  version: string
}

export interface SigningKeyView {
  kid: string
  alg: string
  created_at: string
  active_from: string
  state: 'next' | 'current' | 'retiring'
}

/** GET /admin/overview. */
export interface Overview {
  active_sessions: { hour: number; day: number }
  store: string
  nodes: GatewayNode[]
  keys: SigningKeyView[]
}

/** An entry of GET /admin/signals: something suspicious, and why it was taken for that. */
export interface SignalView {
  id: string
  rule: string
  at: string
  sub?: string
  sid?: string
  severity: 'info' | 'warning' | 'alarm'
  what: string
  /** What the rule saw: counts, and names such as those of clients and networks. */
  numbers: Record<string, number | string>
  threshold: number
  why: string
  action: 'report' | 'revoke' | 'login'
}

/** GET /admin/signals: newest first. */
export interface SignalPageView {
  signals: SignalView[]
  next: string | null
}

export interface TimelineEntryView {
  at: string
  until?: string
  count: number
  reason: string
  sentence: string
  generation?: number
  node?: string
  client?: string
  network?: string
}

/** GET /admin/sessions/:sid/timeline: oldest first. */
export interface Timeline {
  sid: string
  sub?: string
  ended?: { at: string; reason: string; sentence: string }
  entries: TimelineEntryView[]
}
