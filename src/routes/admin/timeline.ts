// GET /admin/sessions/:sid/timeline: what happened to a session from its login to its end, so that a person can be told why they
// were logged out.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { sentenceOf } from '../../../plugins/audit/reasons/index.ts'
import { closed, noQuery, sidParams, time } from '../../../plugins/auth-routes/wire/fields.ts'
import { endOf, timelineEntryView } from '../../../plugins/auth-routes/wire/timeline-view.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import { adminErrors, adminSchema } from './route.ts'

const timeline = Type.Object(
  {
    sid: Type.String(),
    sub: Type.Optional(Type.String()),
    ended: Type.Optional(
      Type.Object(
        { at: time('When it ended.'), reason: Type.String(), sentence: Type.String({ description: 'Why, in words.' }) },
        closed,
      ),
    ),
    entries: Type.Array(
      Type.Object(
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
      ),
      { description: 'Oldest first: the sign-in and the newest.' },
    ),
  },
  closed,
)

export const adminTimeline: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/admin/sessions/:sid/timeline', {
    schema: {
      ...adminSchema,
      operationId: 'readTimeline',
      summary: 'Read what happened to a session',
      description: 'Its sign-in, its refreshes with their outcomes, where they came from, and how it ended.',
      params: sidParams,
      querystring: noQuery,
      response: { 200: timeline, ...errorResponses(...adminErrors, 'not_found') },
    },
    handler: (request) => readTimeline(app, request.params.sid),
  })
}

async function readTimeline(app: FastifyInstance, sid: string) {
  // What this node knows and has not handed over yet belongs to the response.
  await app.auditTrail.recorder.flushForReader()
  const [session, [entries = []]] = await Promise.all([app.sessions.read(sid), app.auditTrail.store.timelines([sid])])
  if (!session && entries.length === 0) throw problem('not_found', { detail: 'unknown_session' })
  const ended = endOf(session, entries, app.auditTrail.clock())
  return {
    sid,
    ...(session && { sub: session.sub }),
    ...(ended && { ended: { ...ended, sentence: sentenceOf(ended.reason) } }),
    entries: entries.map(timelineEntryView),
  }
}
