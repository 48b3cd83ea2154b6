// An event as it goes out: snake_case, times as RFC 3339.
import type { StoredEvent } from '../session-store/port/events.ts'

/** The wire form of an event. */
export interface EventView extends Omit<StoredEvent, 'at' | 'tokenAgeSeconds'> {
  at: string
  token_age_seconds?: number
}

/** @returns the wire form; members that are not known are left out */
export function eventView({ at, tokenAgeSeconds, ...event }: StoredEvent): EventView {
  return {
    ...event,
    at: new Date(at).toISOString(),
    ...(tokenAgeSeconds !== undefined && { token_age_seconds: tokenAgeSeconds }),
  }
}
