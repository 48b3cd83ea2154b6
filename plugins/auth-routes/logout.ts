// POST /auth/logout: ends the session that a cookie, a refresh token or an access token belongs to. The response is 204 whether
// there was one or not; only a store that is away is told, because then nothing has ended.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { bearerToken } from '../authenticate.ts'
import formBody, { isForm } from '../body-parsers/form.ts'
import { clearCookies, presentedPlaces } from '../browser/cookies.ts'
import { cookiesFromOwnPages } from '../browser/origin.ts'
import { errorResponses } from '../errors/index.ts'
import { noQuery, nothing } from './wire/fields.ts'
import { type LogoutBody, logoutBody } from './wire/tokens.ts'

export const logout: FastifyPluginAsyncTypebox<{ bodyLimitBytes: number }> = async (app, options) => {
  await app.register(formBody)
  app.post('/logout', {
    bodyLimit: options.bodyLimitBytes,
    onRequest: cookiesFromOwnPages,
    preValidation: ignoreBody,
    schema: {
      operationId: 'logout',
      tags: ['auth'],
      summary: 'Sign out',
      description:
        'Ends the sessions of the refresh cookies, of `refresh_token` in the body, or of the access token, which may have ' +
        'expired, and clears the cookies that came along. Answers 204 also when there was nothing to end.',
      security: [{ refreshCookie: [] }, { bearer: [] }, {}],
      consumes: ['application/json', 'application/x-www-form-urlencoded'],
      querystring: noQuery,
      body: logoutBody,
      response: {
        204: nothing,
        ...errorResponses(
          'invalid_request',
          'origin_refused',
          'body_too_large',
          'unsupported_media_type',
          'store_unavailable',
        ),
      },
    },
    handler: (request, reply) => signOut(app, request, reply, request.body),
  })
}

async function signOut(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  body: LogoutBody,
): Promise<null> {
  const owner = ownerOfAccessToken(app, request)
  const presented = presentedPlaces(request)
  const refreshTokens = [...presented.map(({ refreshToken }) => refreshToken), body.refresh_token]
  const sids = new Set(
    [...refreshTokens.map((token) => sidOfRefreshToken(app, token)), owner?.sid].filter((sid) => sid !== undefined),
  )
  const end = (sid: string) => app.sessions.end(sid, 'logout', request, sid === owner?.sid ? owner.sub : undefined)
  // None of them waits for the others, or is left out because another one failed.
  const failed = (await Promise.allSettled([...sids].map(end))).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  // One that did not come is of another session, or of none: a browser sends what it holds.
  for (const { place } of presented) clearCookies(reply, place)
  reply.code(204).header('cache-control', 'no-store')
  return null
}

function sidOfRefreshToken(app: FastifyInstance, refreshToken: string | undefined): string | undefined {
  return refreshToken === undefined ? undefined : app.sessions.claimsOf(refreshToken)?.sid
}

// Of any audience, expired or not: the token says whose session it is, and ending that is all that is done with it.
function ownerOfAccessToken(app: FastifyInstance, request: FastifyRequest) {
  const token = bearerToken(request.raw.rawHeaders)
  return token === undefined ? undefined : app.accessTokens.ownerOf(token)
}

// No body at all is the ordinary case; of a form only what is known counts (RFC 6749 section 3.2).
async function ignoreBody(request: FastifyRequest): Promise<void> {
  if (request.body === undefined) request.body = {}
  if (!isForm(request)) return
  const refreshToken = new Map(Object.entries(request.body ?? {})).get('refresh_token')
  request.body = refreshToken === undefined ? {} : { refresh_token: refreshToken }
}
