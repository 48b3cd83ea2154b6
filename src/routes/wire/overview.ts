// How much happens, on the wire: TypeBox schemas of /admin/usage, /admin/usage/history and /admin/overview.
import Type, { type Static } from 'typebox'
import { closed, time } from '../../../plugins/auth-routes/wire/fields.ts'

export const usageCounts = Type.Object(
  { counts: Type.Record(Type.String(), Type.Integer(), { description: 'How often each reason was recorded here.' }) },
  closed,
)

export const historyQuery = Type.Object(
  { window: Type.Optional(Type.Enum(['hour', 'day'], { type: 'string', default: 'hour' })) },
  closed,
)

export const countHistory = Type.Object(
  {
    step_seconds: Type.Integer({ description: 'How long a step is.' }),
    from: time('When the first step begins; the last one is not over yet.'),
    reasons: Type.Record(Type.String(), Type.Array(Type.Integer()), { description: 'By reason, one number a step.' }),
  },
  closed,
)

export const overview = Type.Object(
  {
    active_sessions: Type.Object(
      { hour: Type.Integer(), day: Type.Integer() },
      { ...closed, description: 'Sessions that were refreshed or began in the last hour and day, about.' },
    ),
    store: Type.String({ description: 'Which store.' }),
    nodes: Type.Array(
      Type.Object(
        {
          node: Type.String(),
          seen_at: time('When it was last heard of.'),
          started_at: time('When it started.'),
          revocation_log_age_ms: Type.Integer({ description: 'How long ago it read the revocation log to its end.' }),
          revocation_entries: Type.Integer({ description: 'Revocations it holds in memory.' }),
          store_ahead_ms: Type.Optional(
            Type.Integer({
              description: 'How far the store’s clock is ahead of this node’s; behind it when negative.',
            }),
          ),
          version: Type.String(),
        },
        closed,
      ),
    ),
    keys: Type.Array(
      Type.Object(
        {
          kid: Type.String(),
          alg: Type.String(),
          created_at: time('When it was made.'),
          active_from: time('From when on it signs.'),
          state: Type.Enum(['next', 'current', 'retiring'], { type: 'string' }),
        },
        closed,
      ),
    ),
  },
  closed,
)

export type CountHistoryView = Static<typeof countHistory>
export type OverviewView = Static<typeof overview>
