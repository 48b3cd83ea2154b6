// Events, signals and reports of nodes as the texts that both adapters keep. JSON with short names: an event is written often
// and read seldom. What is read was written by a gateway, perhaps of another version: unknown members are left out.
import type { EventFilter, NewEvent, NodeReport, Signal, StoredEvent } from './events.ts'

/** @returns the text of an event, without line breaks, about 150 bytes */
export function writeEvent(event: NewEvent): string {
  return JSON.stringify(event)
}

/** @param text as `writeEvent` made it */
export function readEvent(id: string, text: string): StoredEvent {
  // Boundary: only `writeEvent` writes these texts.
  return { id, ...(JSON.parse(text) as Omit<StoredEvent, 'id'>) }
}

/** @param text JSON of a signal */
export function readSignal(text: string): Signal {
  // Boundary: only the adapters write these texts.
  return JSON.parse(text) as Signal
}

/** @param text JSON of a report */
export function readNodeReport(text: string): NodeReport {
  // Boundary: only the adapters write these texts.
  return JSON.parse(text) as NodeReport
}

/** Whether the text of an event may be what a filter asks for: of thousands that are looked at, few need be read. */
export function mayMatch(filter: EventFilter, text: string): boolean {
  return Object.values(filter).every((value) => value === undefined || text.includes(JSON.stringify(value)))
}

/** Whether an event is what a filter asks for. */
export function matches({ sid, sub, reason, requestId }: EventFilter, event: StoredEvent): boolean {
  return (
    (sid === undefined || event.sid === sid) &&
    (sub === undefined || event.sub === sub) &&
    (reason === undefined || event.reason === reason) &&
    (requestId === undefined || event.requestId === requestId)
  )
}
