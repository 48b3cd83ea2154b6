// /admin/users: local users, to create, list and change. A change of what a session was granted by ends the user's sessions
// before it is answered.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isScope } from '../../../plugins/access-tokens/scope.ts'
import { noQuery } from '../../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { requireNewPassword } from '../../../plugins/credentials/index.ts'
import { userNamePattern } from '../../../plugins/credentials/user-name.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import type { EndReason, User, UserChange } from '../../../plugins/session-store/port/store.ts'
import { defaultPageLimit, readCursor, writeCursor } from '../wire/pages.ts'
import {
  changedUser,
  type NewUserBody,
  newUserBody,
  subjectParams,
  type UserChangeBody,
  type UserPage,
  type UserView,
  userChangeBody,
  userList,
  userPage,
  userSchema,
} from '../wire/users.ts'
import { type AdminOptions, adminErrors, adminSchema } from './route.ts'

const bodyErrors = [...adminErrors, 'body_too_large', 'unsupported_media_type', 'overloaded', 'weak_password'] as const

export const adminUsers: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { bodyLimitBytes: bodyLimit }) => {
  app.post('/admin/users', {
    bodyLimit,
    schema: {
      ...adminSchema,
      operationId: 'createUser',
      summary: 'Create a user',
      description: 'The subject is the canonical form of the user name: NFKC, lower case.',
      querystring: noQuery,
      body: newUserBody,
      response: { 201: userSchema, ...errorResponses(...bodyErrors, 'conflict') },
    },
    handler: (request, reply) => createUser(app, request, reply, request.body),
  })

  app.get('/admin/users', {
    schema: {
      ...adminSchema,
      operationId: 'listUsers',
      summary: 'List users',
      description: 'Users in order of their subjects, a page at a time.',
      querystring: userPage,
      response: { 200: userList, ...errorResponses(...adminErrors) },
    },
    handler: (request) => listUsers(app, request.query),
  })

  app.patch('/admin/users/:sub', {
    bodyLimit,
    schema: {
      ...adminSchema,
      operationId: 'changeUser',
      summary: 'Change a user',
      description:
        'Sets what is given and ends every session of the user, with the reason that fits the change. What would leave no ' +
        'administrator is refused.',
      params: subjectParams,
      querystring: noQuery,
      body: userChangeBody,
      response: { 200: changedUser, ...errorResponses(...bodyErrors, 'not_found', 'last_administrator') },
    },
    handler: (request) => changeUser(app, request, request.params.sub, request.body),
  })
}

const subjectForm = new RegExp(userNamePattern)

async function createUser(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply, body: NewUserBody) {
  const { username, password, roles = [], scope = '' } = body
  requireScopeForm(scope)
  const created = await app.credentials.create({ username, password, roles, scope })
  if (created.outcome === 'invalid') {
    const errors = [{ in: 'body', path: `/${created.field}`, message: created.message }]
    throw problem('invalid_request', { detail: `${created.field}_unusable`, errors })
  }
  if (created.outcome === 'exists') throw problem('conflict', { detail: 'user_exists' })
  app.audit.record(request, { reason: 'user_added', granted: true, sub: created.sub })
  reply.code(201)
  return userView(await readUser(app, created.sub))
}

async function listUsers(app: FastifyInstance, page: UserPage) {
  const limit = page.limit === undefined ? defaultPageLimit : Number(page.limit)
  // One more than asked for tells whether there is a next page.
  const after = page.after === undefined ? '' : readCursor(page.after, subjectForm)
  const found = await app.store.users.list(after, limit + 1)
  const users = found.slice(0, limit)
  const last = users.at(-1)
  return { users: users.map(userView), ...(found.length > limit && last && { next: writeCursor(last.sub) }) }
}

async function changeUser(app: FastifyInstance, request: FastifyRequest, sub: string, body: UserChangeBody) {
  if (body.scope !== undefined) requireScopeForm(body.scope)
  if (body.password !== undefined) requireNewPassword(body.password, '/password')
  // Before the hash, so that a name that is not there costs nothing.
  await readUser(app, sub)
  if (body.password !== undefined) await app.credentials.requireStrength(sub, body.password, '/password')
  const changed = await app.credentials.change(sub, await userChange(app, body))
  if (!changed) throw problem('not_found', { detail: 'user_unknown' })
  const ended = await endAfterChange(app, request, sub, body)
  return { user: userView(await readUser(app, sub)), ended }
}

// After the change: a login that has read the old record is refused by its revision, so no session slips through. And before
// the report, which is made also where the store went away in between: the user has been changed.
async function endAfterChange(app: FastifyInstance, request: FastifyRequest, sub: string, body: UserChangeBody) {
  try {
    return await app.sessions.endAll(sub, endReasonOf(body), undefined, request)
  } finally {
    const detail = Object.keys(body).sort().join(' ')
    app.audit.record(request, { reason: 'user_changed', granted: true, sub, detail })
  }
}

async function userChange(app: FastifyInstance, { password, ...rest }: UserChangeBody): Promise<UserChange> {
  return password === undefined ? rest : { ...rest, passwordHash: await app.credentials.hash(password) }
}

function endReasonOf(body: UserChangeBody): EndReason {
  if (body.disabled === true) return 'user_disabled'
  return body.password === undefined ? 'revoked_by_admin' : 'password_changed'
}

function requireScopeForm(scope: string): void {
  if (scope === '' || isScope(scope)) return
  const errors = [{ in: 'body', path: '/scope', message: 'must be scope tokens separated by single spaces' }]
  throw problem('invalid_request', { detail: 'scope_malformed', errors })
}

async function readUser(app: FastifyInstance, sub: string): Promise<User> {
  const user = await app.store.users.find(sub)
  if (!user) throw problem('not_found', { detail: 'user_unknown' })
  return user
}

function userView(user: User): UserView {
  const { sub, scope, disabled } = user
  return { sub, roles: [...user.roles], scope, disabled, created_at: timestamp(user.createdAt) }
}
