// /admin/sessions and /admin/subjects: live sessions, of one subject or of everybody a page at a time, and their end. It must
// never read more than a page of what may be a million.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ended, noQuery, nothing, sidParams } from '../../../plugins/auth-routes/wire/fields.ts'
import { accessOf } from '../../../plugins/authenticate.ts'
import { userNamePattern } from '../../../plugins/credentials/user-name.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import type { SessionPlace } from '../../../plugins/session-store/port/sessions.ts'
import { defaultPageLimit, readCursor, writeCursor } from '../wire/pages.ts'
import {
  adminSessionList,
  adminSessionSchema,
  adminSessionView,
  type SessionListQuery,
  sessionListQuery,
} from '../wire/sessions.ts'
import { subjectParams } from '../wire/users.ts'
import { adminErrors, adminSchema, deleteErrors } from './route.ts'

export const adminSessions: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/admin/sessions', {
    schema: {
      ...adminSchema,
      operationId: 'listSessions',
      summary: 'List sessions',
      description:
        'With `sub` all live sessions of that subject, newest sign-in first. Without it those of all users, subject after ' +
        'subject, a page at a time: sessions that start or end meanwhile move no other one.',
      querystring: sessionListQuery,
      response: { 200: adminSessionList, ...errorResponses(...adminErrors) },
    },
    handler: (request) => listSessions(app, request),
  })

  app.get('/admin/sessions/:sid', {
    schema: {
      ...adminSchema,
      operationId: 'readSession',
      summary: 'Read a session',
      description: 'One session; of one that ended, when and why.',
      params: sidParams,
      querystring: noQuery,
      response: { 200: adminSessionSchema, ...errorResponses(...adminErrors, 'not_found') },
    },
    handler: (request) => readSession(app, request, request.params.sid),
  })

  app.delete('/admin/sessions/:sid', {
    config: { isForOperators: true },
    schema: {
      ...adminSchema,
      operationId: 'endSession',
      summary: 'End a session',
      description:
        'Ends the session; 204 also when it had ended before. Of one that the store does not hold, which may have lost it, the ' +
        'access tokens are refused from now on.',
      params: sidParams,
      querystring: noQuery,
      response: { 204: nothing, ...errorResponses(...deleteErrors) },
    },
    handler: (request, reply) => endSession(app, request, reply, request.params.sid),
  })

  app.delete('/admin/subjects/:sub/sessions', {
    config: { isForOperators: true },
    schema: {
      ...adminSchema,
      operationId: 'endSubjectSessions',
      summary: 'End all sessions of a subject',
      description: 'Ends every live session of the subject, which may be one that has no user here any more.',
      params: subjectParams,
      querystring: noQuery,
      response: { 200: ended, ...errorResponses(...deleteErrors) },
    },
    handler: async (request) => ({
      ended: await app.sessions.endAll(request.params.sub, 'revoked_by_admin', undefined, request),
    }),
  })
}

async function listSessions(app: FastifyInstance, request: FastifyRequest<{ Querystring: SessionListQuery }>) {
  const { sub, ...page } = request.query
  const current = accessOf(request).sid
  const { sessions, next } = sub === undefined ? await readPage(app, page) : await readSubject(app, sub, page)
  return { sessions: sessions.map((session) => adminSessionView(session, current)), ...(next && { next }) }
}

type PageQuery = Omit<SessionListQuery, 'sub'>

async function readPage(app: FastifyInstance, { after, limit }: PageQuery) {
  const { sessions, next } = await app.sessions.listAll(placeIn(after), Number(limit ?? defaultPageLimit))
  return { sessions, next: next && writeCursor(textOf(next)) }
}

async function readSubject(app: FastifyInstance, sub: string, page: PageQuery) {
  const errors = Object.keys(page).map((name) => ({
    in: 'querystring',
    path: `/${name}`,
    message: 'has no meaning beside sub, whose sessions are never paged',
  }))
  if (errors.length > 0) throw problem('invalid_request', { detail: 'subject_paged', errors })
  return { sessions: await app.sessions.list(sub), next: undefined }
}

// `alice`, or `alice~1767225600000~sid`; no part of it can hold a `~`.
const placeForm = new RegExp(`${userNamePattern.slice(0, -1)}(~[0-9]{1,15}~[A-Za-z0-9_-]{32})?$`)

function placeIn(after: string | undefined): SessionPlace | undefined {
  if (after === undefined) return undefined
  const [sub = '', createdAt, sid] = readCursor(after, placeForm).split('~')
  if (createdAt === undefined || sid === undefined) return { sub }
  return { sub, session: { createdAt: Number(createdAt), sid } }
}

function textOf({ sub, session }: SessionPlace): string {
  return session ? `${sub}~${session.createdAt}~${session.sid}` : sub
}

async function readSession(app: FastifyInstance, request: FastifyRequest, sid: string) {
  const session = await app.sessions.read(sid)
  if (!session) throw problem('not_found', { detail: 'unknown_session' })
  return adminSessionView(session, accessOf(request).sid)
}

async function endSession(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply, sid: string) {
  await app.sessions.end(sid, 'revoked_by_admin', request)
  reply.code(204)
  return null
}
