// POST /auth/password: a user changes the own password. The current one is asked for again, under the same limit as a login
// (ASVS 6.2.3, 7.5.1). Every session of the user ends, this one as well, whoever shares it; whoever knew the password goes on
// in a new one (ASVS 7.2.4).
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isFor } from '../access-tokens/claims.ts'
import { accessOf, requires } from '../authenticate.ts'
import { requireNewPassword, requirePassword } from '../credentials/index.ts'
import { errorResponses, problem } from '../errors/index.ts'
import { placeOfNew, presentedSessions } from './presented-sessions.ts'
import { type TokenRouteOptions, tokenResponse } from './token-response.ts'
import { noQuery } from './wire/fields.ts'
import {
  type PasswordBody,
  passwordBody,
  type TokenResponse,
  tokenResponse as tokenResponseSchema,
} from './wire/tokens.ts'

export const password: FastifyPluginAsyncTypebox<TokenRouteOptions> = async (app, options) => {
  app.post('/password', {
    bodyLimit: options.bodyLimitBytes,
    onRequest: requires('authenticated'),
    schema: {
      operationId: 'changeOwnPassword',
      tags: ['auth'],
      summary: 'Change the own password',
      description:
        'Takes the current password again. Every session of the user ends, this one as well; the response has the tokens of a ' +
        'new one, in the delivery and with the scope of this one.',
      security: [{ bearer: [] }],
      querystring: noQuery,
      body: passwordBody,
      response: {
        200: tokenResponseSchema,
        ...errorResponses(
          'invalid_request',
          'weak_password',
          'unauthenticated',
          'invalid_token',
          'invalid_credentials',
          'body_too_large',
          'unsupported_media_type',
          'too_many_requests',
          'overloaded',
          'revocation_unknown',
          'store_unavailable',
        ),
      },
    },
    handler: (request, reply) => changePassword(app, options, request, reply, request.body),
  })
}

async function changePassword(
  app: FastifyInstance,
  options: TokenRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  body: PasswordBody,
): Promise<TokenResponse> {
  const { sub, sid, aud } = accessOf(request)
  const presented = await presentedSessions(app, request)
  requirePassword(body.current_password, '/current_password')
  requireNewPassword(body.new_password, '/new_password')
  const looking = app.credentials.find(sub)
  const user = await app.loginLimit.check(request, { username: sub, looking, sid }, (place) =>
    app.credentials.check(sub, body.current_password, { looking, place }),
  )
  if (user) await app.credentials.requireStrength(sub, body.new_password, '/new_password')
  const before = await app.sessions.read(sid)
  if (!user || !(await app.credentials.setPassword(user, body.new_password))) throw badPassword(app, request, sub)
  await app.sessions.endAll(sub, 'password_changed', undefined, request)
  const scope = before?.scope ?? user.scope
  const changed = { ...user, revision: user.revision + 1 }
  const grant = await app.sessions.start(changed, scope, request, before?.inCookie === true)
  if (!grant) throw badPassword(app, request, sub)
  const { session } = grant
  const event = { sid: session.sid, generation: 1, session, detail: 'password change' }
  app.audit.record(request, { reason: 'login_ok', granted: true, sub, ...event })
  const place = session.inCookie ? placeOfNew(reply, presented) : undefined
  const audience = app.accessTokens.audiences.find((one) => isFor(aud, one))
  const response = tokenResponse(app, reply, grant, { place, audience, scope, nowMs: options.clock() })
  // What made the device known before was void with the user's revision.
  app.loginLimit.remember(request, reply, changed)
  return response
}

function badPassword(app: FastifyInstance, request: FastifyRequest, sub: string) {
  app.audit.record(request, { reason: 'login_failed', granted: false, sub, detail: 'password change' })
  return problem('invalid_credentials', { detail: 'login_failed' })
}
