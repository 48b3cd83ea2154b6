// An event as it goes out: its one schema, and the view that the schema describes. snake_case, times as RFC 3339.
import Type, { type Static } from 'typebox'
import type { StoredEvent } from '../session-store/port/events.ts'

/** The wire form of an event: in `GET /admin/events`, in its live stream, and on the operators' page. */
export const eventSchema = Type.Object(
  {
    id: Type.String(),
    at: Type.String({ format: 'date-time', description: 'When, by the clock of the node.' }),
    node: Type.String({ description: 'Where.' }),
    reason: Type.String({ description: 'A word of the closed list.' }),
    granted: Type.Boolean({ description: 'Whether what was asked for was given.' }),
    sub: Type.Optional(Type.String()),
    sid: Type.Optional(Type.String()),
    generation: Type.Optional(Type.Integer()),
    client: Type.Optional(Type.String({ description: 'What the client calls itself; a label, not evidence.' })),
    network: Type.Optional(Type.String({ description: 'The network of its address.' })),
    token_age_seconds: Type.Optional(Type.Integer({ description: 'How old the refresh token was.' })),
    actor: Type.Optional(Type.String({ description: 'Who did it, when that was not the subject.' })),
    detail: Type.Optional(Type.String({ description: 'What was lacking, or what it was about.' })),
    request_id: Type.Optional(Type.String({ description: 'Of a refusal: what its client was shown.' })),
    method: Type.Optional(Type.String({ description: 'Of a refusal.' })),
    route: Type.Optional(Type.String({ description: 'Of a refusal: the pattern of the route, never the path.' })),
    instance: Type.Optional(Type.String({ description: 'The instance of a service, where it is known.' })),
  },
  { additionalProperties: false },
)

export type EventView = Static<typeof eventSchema>

/** @returns the wire form; members that are not known are left out */
export function eventView({ at, tokenAgeSeconds, requestId, ...event }: StoredEvent): EventView {
  return {
    ...event,
    at: new Date(at).toISOString(),
    ...(tokenAgeSeconds !== undefined && { token_age_seconds: tokenAgeSeconds }),
    ...(requestId !== undefined && { request_id: requestId }),
  }
}
