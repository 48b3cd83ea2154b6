// /admin: users, sessions, usage and keys, for holders of the role `admin`. Every event recorded on the way names the acting
// subject. It must never show a password hash, a token or a key.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { accessOf, requires } from '../../plugins/authenticate.ts'
import { problem, refusals } from '../../plugins/errors.ts'
import {
  adminSessionList,
  adminSessionSchema,
  ended,
  noQuery,
  nothing,
  rotatedKey,
  sidParams,
  subjectParams,
  subjectQuery,
} from '../schemas.ts'
import { adminSessionView, timestamp } from '../session-view.ts'
import { adminEvents } from './admin-events.ts'
import { adminOverview } from './admin-overview.ts'
import { adminRevocations } from './admin-revocations.ts'
import { type AdminOptions, adminRefusals, adminSchema, deleteRefusals } from './admin-route.ts'
import { adminTimeline } from './admin-timeline.ts'
import { adminUsers } from './admin-users.ts'

const admin: FastifyPluginAsyncTypebox<AdminOptions> = async (app, options) => {
  app.addHook('onRequest', requires({ roles: ['admin'] }))
  app.addHook('onRequest', nameActingSubject)
  await app.register(adminUsers, options)
  await app.register(adminSessions)
  await app.register(adminRevocations, options)
  await app.register(adminEvents)
  await app.register(adminOverview)
  await app.register(adminTimeline)

  app.post('/admin/keys/rotate', {
    bodyLimit: options.bodyLimitBytes,
    schema: {
      ...adminSchema,
      operationId: 'rotateKeys',
      summary: 'Rotate the signing key',
      description: 'Makes the next signing key and publishes it; it signs once every verifier can have seen it.',
      querystring: noQuery,
      response: { 200: rotatedKey, ...refusals(...adminRefusals, 'unsupported_media_type', 'body_too_large') },
    },
    handler: (request) => rotateKeys(app, request),
  })
}

const adminSessions: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/admin/sessions', {
    schema: {
      ...adminSchema,
      operationId: 'listSessions',
      summary: 'List a subject’s sessions',
      description: 'The live sessions of a subject, newest sign-in first.',
      querystring: subjectQuery,
      response: { 200: adminSessionList, ...refusals(...adminRefusals) },
    },
    handler: (request) => listSessions(app, request, request.query.sub),
  })

  app.get('/admin/sessions/:sid', {
    schema: {
      ...adminSchema,
      operationId: 'readSession',
      summary: 'Read a session',
      description: 'One session; of one that ended, when and why.',
      params: sidParams,
      querystring: noQuery,
      response: { 200: adminSessionSchema, ...refusals(...adminRefusals, 'not_found') },
    },
    handler: (request) => readSession(app, request, request.params.sid),
  })

  app.delete('/admin/sessions/:sid', {
    schema: {
      ...adminSchema,
      operationId: 'endSession',
      summary: 'End a session',
      description: 'Ends the session; 204 also when it had ended before.',
      params: sidParams,
      querystring: noQuery,
      response: { 204: nothing, ...refusals(...deleteRefusals, 'not_found') },
    },
    handler: (request, reply) => endSession(app, request, reply, request.params.sid),
  })

  app.delete('/admin/subjects/:sub/sessions', {
    schema: {
      ...adminSchema,
      operationId: 'endSubjectSessions',
      summary: 'End all sessions of a subject',
      description: 'Ends every live session of the subject, which may be one that has no user here any more.',
      params: subjectParams,
      querystring: noQuery,
      response: { 200: ended, ...refusals(...deleteRefusals) },
    },
    handler: async (request) => ({
      ended: await app.sessions.endAll(request.params.sub, 'revoked_by_admin', undefined, request),
    }),
  })
}

// Whatever is recorded or logged during this request says who did it.
async function nameActingSubject(request: FastifyRequest): Promise<void> {
  request.log = request.log.child({ actor: accessOf(request).sub })
}

async function listSessions(app: FastifyInstance, request: FastifyRequest, sub: string) {
  const current = accessOf(request).sid
  const listed = await app.sessions.list(sub)
  return { sessions: listed.map((session) => adminSessionView(session, current)) }
}

async function readSession(app: FastifyInstance, request: FastifyRequest, sid: string) {
  const session = await app.sessions.read(sid)
  if (!session) throw problem('not_found', { reason: 'unknown_session' })
  return adminSessionView(session, accessOf(request).sid)
}

async function endSession(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply, sid: string) {
  const isEnded = await app.sessions.end(sid, 'revoked_by_admin', request)
  if (!isEnded && !(await app.sessions.read(sid))) throw problem('not_found', { reason: 'unknown_session' })
  reply.code(204)
  return null
}

async function rotateKeys(app: FastifyInstance, request: FastifyRequest) {
  const { kid, activeFrom } = await app.accessTokens.rotate()
  // The rotation itself is recorded where it is done, for the schedule does it too; this says who asked.
  app.usage.record(request, { reason: 'keys_rotation_asked', granted: true, detail: kid })
  return { kid, active_from: timestamp(activeFrom) }
}

export default admin
