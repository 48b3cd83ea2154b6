// Sessions as an administrator sees them: TypeBox schemas of /admin/sessions, and the view of a session record.
import Type, { type Static } from 'typebox'
import { closed, roles, scope, subject, time } from '../../../plugins/auth-routes/wire/fields.ts'
import { sessionView, timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { sessionSchema } from '../../../plugins/auth-routes/wire/sessions.ts'
import type { Session } from '../../../plugins/session-store/port/store.ts'
import { cursor, pageLimit } from './pages.ts'

export const adminSessionSchema = Type.Object(
  {
    ...sessionSchema.properties,
    sub: subject,
    generation: Type.Integer({ description: 'Which refresh token of the session is the newest.' }),
    roles,
    scope,
    ended_at: Type.Optional(time('When it ended; absent while it lives.')),
    end_reason: Type.Optional(Type.String({ description: 'Why it ended.' })),
  },
  closed,
)

export const adminSessionList = Type.Object(
  {
    sessions: Type.Array(adminSessionSchema),
    next: Type.Optional(
      Type.String({
        description:
          'Give this as `after` for the next page; absent on the last one. A page looks at so many subjects and no further: it may be short, even empty.',
      }),
    ),
  },
  closed,
)

export const sessionListQuery = Type.Object(
  {
    sub: Type.Optional(subject),
    after: Type.Optional(cursor),
    limit: Type.Optional(pageLimit),
  },
  closed,
)

export type AdminSessionView = Static<typeof adminSessionSchema>

export type SessionListQuery = Static<typeof sessionListQuery>

/** A session, or its tombstone, as an administrator sees it. */
export function adminSessionView(session: Session, currentSid: string | undefined): AdminSessionView {
  const { sub, generation, scope, revokedAt, endReason } = session
  return {
    ...sessionView(session, currentSid),
    sub,
    generation,
    roles: [...session.roles],
    scope,
    ...(revokedAt !== undefined && { ended_at: timestamp(revokedAt) }),
    ...(endReason !== undefined && { end_reason: endReason }),
  }
}
