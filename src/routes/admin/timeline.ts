// GET /admin/sessions/:sid/timeline: what happened to a session from its login to its end, so that a person can be told why they
// were logged out.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { sentenceOf } from '../../../plugins/audit/reasons/index.ts'
import { noQuery, sidParams } from '../../../plugins/auth-routes/wire/fields.ts'
import { endOf, timelineEntryView } from '../../../plugins/auth-routes/wire/timeline-view.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import { timeline } from '../wire/timeline.ts'
import { adminErrors, adminSchema } from './route.ts'

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
