// The types of what the page reads from the gateway: those of the routes' own schemas under /admin. Only types; no browser loads
// this file. What a newer gateway adds is ignored.
export type { CountDelta } from '../../../plugins/audit/live.ts'
export type { EventView } from '../../../plugins/audit/view.ts'
export type { EventPageView, SignalPageView, SignalView } from '../../routes/wire/events.ts'
export type { CountHistoryView, OverviewView } from '../../routes/wire/overview.ts'
export type { AdminSessionView } from '../../routes/wire/sessions.ts'
export type { TimelineEntryView, TimelineView } from '../../routes/wire/timeline.ts'
