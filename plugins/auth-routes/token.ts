// POST /auth/token: a refresh token for a new pair (RFC 6749 section 6, rotation by RFC 9700 section 4.14.2). It must never
// use up a refresh token for a request that is wrong otherwise, and never clear a cookie: a late response may meet a newer one.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isScope, narrowScope } from '../access-tokens/scope.ts'
import formBody, { isForm } from '../body-parsers/form.ts'
import type { CookiePlace } from '../browser/cookies.ts'
import { cookiesFromOwnPages } from '../browser/origin.ts'
import { oauthErrorResponses, problem } from '../errors/index.ts'
import { presentedSessions } from './presented-sessions.ts'
import { audienceOf, type TokenRouteOptions, tokenResponse } from './token-response.ts'
import { noQuery } from './wire/fields.ts'
import { type TokenBody, type TokenResponse, tokenBody, tokenResponse as tokenResponseSchema } from './wire/tokens.ts'

export const token: FastifyPluginAsyncTypebox<TokenRouteOptions> = async (app, options) => {
  await app.register(formBody)
  app.post('/token', {
    bodyLimit: options.bodyLimitBytes,
    config: { oauthErrors: true },
    onRequest: cookiesFromOwnPages,
    preValidation: keepKnownParameters,
    schema: {
      operationId: 'token',
      tags: ['auth'],
      summary: 'Refresh',
      description:
        'Gives a new access token and the next refresh token of the session, in the same delivery the refresh token came ' +
        'by: the cookie, or `refresh_token` in the body. A superseded refresh token that is presented again ends the ' +
        'session, unless the response that superseded it can have been lost or it was superseded a moment ago.',
      security: [{ refreshCookie: [] }, {}],
      consumes: ['application/json', 'application/x-www-form-urlencoded'],
      querystring: noQuery,
      body: tokenBody,
      response: {
        200: tokenResponseSchema,
        ...oauthErrorResponses(
          'invalid_request',
          'invalid_grant',
          'unsupported_grant_type',
          'invalid_scope',
          'invalid_target',
          'origin_refused',
          'body_too_large',
          'unsupported_media_type',
          'too_many_requests',
          'store_unavailable',
        ),
      },
    },
    handler: (request, reply) => refresh(app, options, request, reply, request.body),
  })
}

async function refresh(
  app: FastifyInstance,
  options: TokenRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  body: TokenBody,
): Promise<TokenResponse> {
  if (body.grant_type !== 'refresh_token') throw problem('unsupported_grant_type')
  const { refreshToken, place } = await presentedToken(app, request, body)
  const audience = audienceOf(app, body.resource, place === undefined ? 'body' : 'cookie')
  await requireScope(app, refreshToken, body.scope)
  const refreshed = await app.sessions.refresh(refreshToken, request, place !== undefined)
  if (refreshed.outcome === 'limited') {
    const headers = { 'retry-after': String(Math.ceil(refreshed.retryAfterMs / 1000)) }
    throw problem('too_many_requests', { detail: 'refresh_limited', headers })
  }
  if (refreshed.outcome === 'refused') {
    // No cookie is cleared: the browser may hold that of a newer sign-in by now, and it clears by name.
    throw problem('invalid_grant', { detail: refreshed.reason })
  }
  const { grant } = refreshed
  // Seen before the rotation already, and a session's scope never changes.
  const scope = narrowScope(grant.session.scope, body.scope) ?? ''
  return tokenResponse(app, reply, grant, { place, audience, scope, nowMs: options.clock() })
}

// Of two sessions the newer one is meant: the other one's cookie came back with a late response. It is left as it is, for a
// sign-in that is under way may be given its place.
async function presentedToken(
  app: FastifyInstance,
  request: FastifyRequest,
  body: TokenBody,
): Promise<{ refreshToken: string; place: CookiePlace | undefined }> {
  const newest = (await presentedSessions(app, request)).find(({ refreshToken }) => refreshToken !== undefined)
  const inCookie = newest?.refreshToken
  const inBody = body.refresh_token
  if (inCookie !== undefined && inBody !== undefined && inCookie !== inBody) {
    throw problem('invalid_request', { detail: 'refresh_tokens_differ' })
  }
  if (inCookie !== undefined) return { refreshToken: inCookie, place: newest?.place }
  if (inBody !== undefined) return { refreshToken: inBody, place: undefined }
  throw problem('invalid_request', {
    detail: 'refresh_token_missing',
    errors: [{ in: 'body', path: '/refresh_token', message: 'is neither in the body nor in the cookie' }],
  })
}

// RFC 6749 section 6: the scope MUST NOT include any scope not originally granted. Looked at before the rotation, for the few
// requests that ask for one: a refusal must leave the refresh token as it was.
async function requireScope(app: FastifyInstance, refreshToken: string, wanted: string | undefined): Promise<void> {
  if (wanted === undefined) return
  if (!isScope(wanted)) throw problem('invalid_scope', { detail: 'scope_malformed' })
  const sid = app.sessions.claimsOf(refreshToken)?.sid
  const session = sid === undefined ? undefined : await app.sessions.read(sid)
  if (!session || session.revokedAt !== undefined) return
  if (narrowScope(session.scope, wanted) === undefined)
    throw problem('invalid_scope', { detail: 'scope_exceeds_grant' })
}

const knownParameters = Object.keys(tokenBody.properties)

// RFC 6749 section 3.2: parameters without a value MUST be treated as if omitted, and unrecognized ones be ignored. The latter
// is about forms; JSON is ours, and strict.
async function keepKnownParameters(request: FastifyRequest): Promise<void> {
  const { body } = request
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return
  const isKnown = isForm(request) ? (name: string) => knownParameters.includes(name) : () => true
  request.body = Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== '' && isKnown(name)))
}
