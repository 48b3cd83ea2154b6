// The timeline of a session on the wire: the TypeBox schema of /admin/sessions/:sid/timeline.
import Type, { type Static } from 'typebox'
import { closed, time } from '../../../plugins/auth-routes/wire/fields.ts'

const timelineEntry = Type.Object(
  {
    at: time('When it happened, or first happened.'),
    until: Type.Optional(time('When it last happened, if more than once.')),
    count: Type.Integer({ description: 'How often it happened in a row.' }),
    reason: Type.String({ description: 'A word of the closed list.' }),
    sentence: Type.String({ description: 'The same in words.' }),
    generation: Type.Optional(Type.Integer({ description: 'Of the last one.' })),
    node: Type.Optional(Type.String()),
    client: Type.Optional(Type.String()),
    network: Type.Optional(Type.String()),
  },
  closed,
)

export const timeline = Type.Object(
  {
    sid: Type.String(),
    sub: Type.Optional(Type.String()),
    ended: Type.Optional(
      Type.Object(
        { at: time('When it ended.'), reason: Type.String(), sentence: Type.String({ description: 'Why, in words.' }) },
        closed,
      ),
    ),
    entries: Type.Array(timelineEntry, { description: 'Oldest first: the sign-in and the newest.' }),
  },
  closed,
)

export type TimelineEntryView = Static<typeof timelineEntry>
export type TimelineView = Static<typeof timeline>
