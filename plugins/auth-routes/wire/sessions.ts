// A user's own sessions and what happened to them, as TypeBox schemas. They show nothing that can be presented.
import Type, { type Static } from 'typebox'
import { closed, sid, time } from './fields.ts'

export const sessionSchema = Type.Object(
  {
    sid,
    current: Type.Boolean({ description: 'Whether the access token of this request belongs to it.' }),
    created_at: time('When it was signed in.'),
    last_used_at: time('When its refresh token was last rotated.'),
    expires_at: time('When it ends if its refresh token is not used before.'),
    device: Type.String({ description: 'What the client calls itself; a label, not evidence.' }),
    ip: Type.String({ description: 'The address it was signed in from.' }),
    amr: Type.Array(Type.String(), { description: 'How the user was authenticated (RFC 8176).' }),
  },
  closed,
)

const ownEvent = Type.Object(
  {
    at: time('When it happened, or first happened.'),
    until: Type.Optional(time('When it last happened, if more than once.')),
    count: Type.Integer({ description: 'How often it happened in a row.' }),
    sentence: Type.String({ description: 'What happened, in words.' }),
    client: Type.Optional(Type.String({ description: 'What the client calls itself.' })),
    network: Type.Optional(Type.String({ description: 'The network of its address.' })),
  },
  closed,
)

const ownSessionSchema = Type.Object(
  {
    ...sessionSchema.properties,
    events: Type.Array(ownEvent, { description: 'What happened to it: the sign-in and the newest, oldest first.' }),
  },
  closed,
)

export const ownSession = Type.Object(
  {
    ...ownSessionSchema.properties,
    ended: Type.Optional(
      Type.Object(
        { at: time('When it ended.'), sentence: Type.String({ description: 'Why, in words.' }) },
        { ...closed, description: 'Absent while it lives.' },
      ),
    ),
  },
  closed,
)

export const sessionList = Type.Object({ sessions: Type.Array(ownSessionSchema) }, closed)

export const exceptQuery = Type.Object(
  { except: Type.Optional(Type.Literal('current', { description: 'Keeps the session of this request.' })) },
  closed,
)

export type SessionView = Static<typeof sessionSchema>
