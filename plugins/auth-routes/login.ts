// POST /auth/login: a user name and password for a session. The order is part of the contract: origin, shape, limit and look-up
// at once, hash, session. It must never tell an unknown user from a wrong password, by response or by time.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { narrowScope } from '../access-tokens/scope.ts'
import { clearCookies } from '../browser/cookies.ts'
import { droppedCookie, droppedCookieWarnings } from '../browser/dropped-cookie.ts'
import { cookiesFromOwnPages, requireOriginToSetCookies } from '../browser/origin.ts'
import { requirePassword } from '../credentials/index.ts'
import { errorResponses, problem } from '../errors/index.ts'
import type { User } from '../session-store/port/store.ts'
import { endPresented, placeOfNew, presentedSessions } from './presented-sessions.ts'
import { audienceOf, type TokenRouteOptions, tokenResponse } from './token-response.ts'
import { noQuery } from './wire/fields.ts'
import { type LoginBody, loginBody, type TokenResponse, tokenResponse as tokenResponseSchema } from './wire/tokens.ts'

export const login: FastifyPluginAsyncTypebox<TokenRouteOptions> = async (app, options) => {
  app.post('/login', {
    bodyLimit: options.bodyLimitBytes,
    onRequest: cookiesFromOwnPages,
    preValidation: mayComeFromThere,
    schema: {
      operationId: 'login',
      tags: ['auth'],
      summary: 'Sign in',
      description:
        'Starts a session. With delivery `cookie` the refresh token is set as an HttpOnly cookie and is not in the response; ' +
        'with `body` it is. Where some route takes the access token from a cookie, that is set, too. A session whose refresh ' +
        'cookie comes along is ended: a sign-in never continues an old one. Its cookies are cleared, and those of the new ' +
        'session have another name, so that late responses about the old one do not touch them. Where the request shows that ' +
        'its browser will drop the cookie, `warning` says why.',
      security: [],
      querystring: noQuery,
      body: loginBody,
      response: {
        200: tokenResponseSchema,
        ...errorResponses(
          'invalid_request',
          'invalid_scope',
          'invalid_target',
          'invalid_credentials',
          'origin_refused',
          'body_too_large',
          'unsupported_media_type',
          'too_many_requests',
          'overloaded',
          'store_unavailable',
        ),
      },
    },
    handler: (request, reply) => signIn(app, options, request, reply, request.body),
  })
}

// Before the rest of the body is judged: a page that may not sign anybody in by cookie learns nothing else.
async function mayComeFromThere(request: FastifyRequest): Promise<void> {
  const { body } = request
  const wantsBody = typeof body === 'object' && body !== null && 'delivery' in body && body.delivery === 'body'
  if (!wantsBody) requireOriginToSetCookies(request)
}

async function signIn(
  app: FastifyInstance,
  options: TokenRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  body: LoginBody,
): Promise<TokenResponse> {
  const delivery = body.delivery ?? 'cookie'
  const presented = await presentedSessions(app, request)
  const audience = audienceOf(app, body.resource, delivery)
  requirePassword(body.password, '/password')
  const looking = app.credentials.find(body.username)
  const user = await app.loginLimit.check(request, { username: body.username, looking }, (place) =>
    app.credentials.check(body.username, body.password, { looking, place }),
  )
  if (!user) throw badCredentials(app, request, await looking)
  const scope = narrowScope(user.scope, body.scope)
  if (scope === undefined) throw problem('invalid_scope', { detail: 'login_scope' })
  await endPresented(app, request, presented, user.sub)
  const grant = await app.sessions.start(user, scope, request, delivery === 'cookie')
  if (!grant) throw badCredentials(app, request, user)
  const { session } = grant
  app.audit.record(request, {
    reason: 'login_ok',
    granted: true,
    sub: user.sub,
    sid: session.sid,
    generation: 1,
    session,
  })
  const place = delivery === 'cookie' ? placeOfNew(reply, presented) : undefined
  // A cookie client that changes to tokens in the body must not keep the dead cookies.
  if (place === undefined) for (const one of presented) clearCookies(reply, one.place)
  const response = tokenResponse(app, reply, grant, { place, audience, scope, nowMs: options.clock() })
  app.loginLimit.remember(request, reply, user)
  const dropped = delivery === 'cookie' ? droppedCookie(request) : undefined
  if (dropped === undefined) return response
  const { sub, sid } = session
  app.audit.record(request, { reason: 'cookie_dropped', granted: false, sub, sid, generation: 1, detail: dropped })
  return { ...response, warning: droppedCookieWarnings[dropped] }
}

function badCredentials(app: FastifyInstance, request: FastifyRequest, tried: User | undefined) {
  // A name that no user has may be a password typed into the wrong field: it is not recorded.
  app.audit.record(request, { reason: 'login_failed', granted: false, sub: tried?.sub })
  return problem('invalid_credentials', { detail: 'login_failed' })
}
