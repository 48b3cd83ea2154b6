// /auth/sessions: a user's own sessions, to see and to end (ASVS 7.5.2). Another subject's session is answered like one that
// never was.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AccessClaims } from '../access-tokens/claims.ts'
import { sentenceOf } from '../audit/reasons/index.ts'
import { accessOf, requires } from '../authenticate.ts'
import { errorResponses, problem } from '../errors/index.ts'
import { timelineBatchLimit } from '../session-store/port/events.ts'
import type { Session } from '../session-store/port/store.ts'
import { ended, noQuery, nothing, sidParams } from './wire/fields.ts'
import { sessionView } from './wire/session-view.ts'
import { exceptQuery, ownSession, sessionList } from './wire/sessions.ts'
import { endOf, ownEntryView } from './wire/timeline-view.ts'

const shared = { tags: ['sessions'], security: [{ bearer: [] }] }
const tokenErrors = [
  'invalid_request',
  'unauthenticated',
  'invalid_token',
  'revocation_unknown',
  'store_unavailable',
] as const
// DELETE means nothing with a body, but one that comes is read, and can be refused, before the route is asked.
const deleteErrors = [...tokenErrors, 'unsupported_media_type', 'body_too_large'] as const

export const sessions: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', requires('authenticated'))

  app.get('/sessions', {
    schema: {
      ...shared,
      operationId: 'listOwnSessions',
      summary: 'List the caller’s sessions',
      description: 'The live sessions of the access token’s subject, newest sign-in first.',
      querystring: noQuery,
      response: { 200: sessionList, ...errorResponses(...tokenErrors) },
    },
    handler: (request) => listOwn(app, accessOf(request)),
  })

  app.get('/sessions/:sid', {
    schema: {
      ...shared,
      operationId: 'readOwnSession',
      summary: 'Read one of the caller’s sessions',
      description: 'Also one that has ended: why, in plain words. For whoever was signed out and has signed in again.',
      params: sidParams,
      querystring: noQuery,
      response: { 200: ownSession, ...errorResponses(...tokenErrors, 'not_found') },
    },
    handler: (request) => readOwn(app, accessOf(request), request.params.sid),
  })

  app.delete('/sessions', {
    schema: {
      ...shared,
      operationId: 'endOwnSessions',
      summary: 'End all of the caller’s sessions',
      description: 'Ends every session of the subject; with `?except=current` every other one.',
      querystring: exceptQuery,
      response: { 200: ended, ...errorResponses(...deleteErrors) },
    },
    handler: (request) => endAllOwn(app, request, request.query.except === 'current'),
  })

  app.delete('/sessions/:sid', {
    schema: {
      ...shared,
      operationId: 'endOwnSession',
      summary: 'End one of the caller’s sessions',
      description: 'Ends the session; 204 also when it had ended before.',
      params: sidParams,
      querystring: noQuery,
      response: { 204: nothing, ...errorResponses(...deleteErrors, 'not_found') },
    },
    handler: (request, reply) => endOwn(app, request, reply, request.params.sid),
  })
}

async function listOwn(app: FastifyInstance, access: AccessClaims) {
  const own = await app.sessions.list(access.sub)
  // What this node knows and has not handed over yet belongs to the response. Of very many sessions, the newest say what happened.
  await app.auditTrail.recorder.flushForReader()
  const timelines = await app.auditTrail.store.timelines(own.slice(0, timelineBatchLimit).map(({ sid }) => sid))
  const sessions = own.map((session, i) => ({
    ...sessionView(session, access.sid),
    events: (timelines[i] ?? []).map(ownEntryView),
  }))
  return { sessions }
}

async function readOwn(app: FastifyInstance, access: AccessClaims, sid: string) {
  const session = await findOwn(app, access, sid)
  await app.auditTrail.recorder.flushForReader()
  const [entries = []] = await app.auditTrail.store.timelines([sid])
  const end = endOf(session, entries, app.auditTrail.clock())
  return {
    ...sessionView(session, access.sid),
    ...(end && { ended: { at: end.at, sentence: sentenceOf(end.reason) } }),
    events: entries.map(ownEntryView),
  }
}

async function findOwn(app: FastifyInstance, { sub }: AccessClaims, sid: string): Promise<Session> {
  const session = await app.sessions.read(sid)
  if (session?.sub !== sub) throw problem('not_found', { detail: 'session_not_own' })
  return session
}

async function endAllOwn(app: FastifyInstance, request: FastifyRequest, exceptCurrent: boolean) {
  const { sub, sid } = accessOf(request)
  return { ended: await app.sessions.endAll(sub, 'revoked_by_user', exceptCurrent ? sid : undefined, request) }
}

async function endOwn(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply, sid: string) {
  const access = accessOf(request)
  // The caller's own is one beyond doubt, also where the store has lost it.
  if (sid !== access.sid) await findOwn(app, access, sid)
  await app.sessions.end(sid, 'revoked_by_user', request, access.sub)
  reply.code(204)
  return null
}
