// Events and signals on the wire: TypeBox schemas of /admin/events and /admin/signals.
import Type, { type Static } from 'typebox'
import { reasons } from '../../../plugins/audit/reasons/index.ts'
import { eventSchema } from '../../../plugins/audit/view.ts'
import { closed, sid, subject, time } from '../../../plugins/auth-routes/wire/fields.ts'
import { pageLimit } from './pages.ts'

const place = Type.String({
  pattern: '^[0-9]{1,15}-[0-9]{1,19}$',
  description: '`next` of the page before: only what is older.',
})

export const eventsQuery = Type.Object(
  {
    sid: Type.Optional(sid),
    sub: Type.Optional(subject),
    reason: Type.Optional(Type.Enum([...reasons], { description: 'A word of the closed list.' })),
    request_id: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_-]{1,40}$', description: 'What a refusal showed its client.' }),
    ),
    before: Type.Optional(place),
    limit: Type.Optional(pageLimit),
  },
  closed,
)

export const eventPage = Type.Object(
  {
    events: Type.Array(eventSchema, { description: 'Newest first.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description:
        'Give this as `before` for the next page; null on the last one. A filtered page may be short, even empty.',
    }),
  },
  closed,
)

const severity = Type.Enum(['info', 'warning', 'alarm'], { type: 'string', description: 'How serious it is.' })

export const signalsQuery = Type.Object(
  { severity: Type.Optional(severity), before: Type.Optional(place), limit: Type.Optional(pageLimit) },
  closed,
)

const signalSchema = Type.Object(
  {
    id: Type.String(),
    rule: Type.String({ description: 'The rule that found it.' }),
    at: time('When it was found.'),
    node: Type.String(),
    sub: Type.Optional(Type.String()),
    sid: Type.Optional(Type.String()),
    severity,
    what: Type.String({ description: 'What was seen, in a sentence.' }),
    numbers: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()]), {
      description: 'What was counted.',
    }),
    threshold: Type.Number({ description: 'From where on it is a signal.' }),
    why: Type.String({ description: 'Why it matters.' }),
    action: Type.Enum(['report', 'revoke', 'login'], { type: 'string', description: 'What the gateway did.' }),
  },
  closed,
)

export const signalPage = Type.Object(
  {
    signals: Type.Array(signalSchema, { description: 'Newest first.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description: 'Give this as `before` for the next page; null on the last one.',
    }),
  },
  closed,
)

export type EventPageView = Static<typeof eventPage>
export type SignalView = Static<typeof signalSchema>
export type SignalPageView = Static<typeof signalPage>

/** The response of a stream, which no schema describes further. */
export const eventStream = {
  description: 'The events, for as long as the reader stays.',
  content: { 'text/event-stream': { schema: Type.String() } },
}
