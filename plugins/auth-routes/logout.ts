// POST /auth/logout: ends the session that a cookie, a refresh token or an access token belongs to. The response is 204 whether
// there was one or not; only a store that is away is told, because then nothing has ended. What a page sends as it goes away
// (`sendBeacon`) has whatever body and media type: where a cookie or an access token names the session, neither counts.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { bearerToken } from '../authenticate.ts'
import { readForm } from '../body-parsers/form.ts'
import { readJson } from '../body-parsers/json.ts'
import { readBody } from '../body-parsers/memory.ts'
import { clearCookies, presentedPlaces } from '../browser/cookies.ts'
import { cookiesFromOwnPages } from '../browser/origin.ts'
import { errorResponses, Problem, problem } from '../errors/index.ts'
import { compileStrictly } from './strict-schema.ts'
import { noQuery, nothing } from './wire/fields.ts'
import { type LogoutBody, logoutBody } from './wire/tokens.ts'

export const logout: FastifyPluginAsyncTypebox<{ bodyLimitBytes: number }> = async (app, options) => {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, {}))
  const isRight = compileStrictly(logoutBody)
  app.post('/logout', {
    bodyLimit: options.bodyLimitBytes,
    onRequest: [cookiesFromOwnPages, takeAnyMediaType],
    preValidation: haveBody,
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
    handler: (request, reply) => signOut(app, request, reply, isRight),
  })
}

type Checks = (body: unknown) => boolean

async function signOut(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  isRight: Checks,
): Promise<null> {
  const owner = ownerOfAccessToken(app, request)
  const presented = presentedPlaces(request)
  const sids = new Set(presented.map(({ refreshToken }) => sidOfRefreshToken(app, refreshToken)).concat(owner?.sid))
  const end = (sid: string | undefined) =>
    sid !== undefined && app.sessions.end(sid, 'logout', request, sid === owner?.sid ? owner.sub : undefined)
  // None of them waits for the others, or for a body that may never come, or is left out because another one failed.
  const ends = await Promise.allSettled([...sids].map(end))
  const isNamed = presented.length > 0 || owner !== undefined
  const inBody = sidOfRefreshToken(app, await tokenInBody(request, isNamed, isRight))
  if (!sids.has(inBody)) ends.push(...(await Promise.allSettled([end(inBody)])))
  const failed = ends.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  // One that did not come is of another session, or of none: a browser sends what it holds.
  for (const { place } of presented) clearCookies(reply, place)
  reply.code(204).header('cache-control', 'no-store')
  return null
}

// A body that nobody can read is refused where it alone could have said which session is meant.
async function tokenInBody(request: FastifyRequest, isNamed: boolean, isRight: Checks): Promise<string | undefined> {
  try {
    const { refresh_token } = await readTokenBody(request, isNamed, isRight)
    return refresh_token
  } catch (error) {
    if (isNamed && error instanceof Problem && error.statusCode < 500) return undefined
    throw error
  }
}

async function readTokenBody(request: FastifyRequest, isNamed: boolean, isRight: Checks): Promise<LogoutBody> {
  const { raw } = request
  switch (request.mediaType) {
    case 'application/json': {
      const body = (await readJson(request, raw)) ?? {}
      if (!isRight(body)) throw problem('invalid_request', { detail: 'body_of_logout' })
      // Boundary: the schema says what it is.
      return body as LogoutBody
    }
    case 'application/x-www-form-urlencoded': {
      // Of a form only what is known counts (RFC 6749 section 3.2).
      const { refresh_token } = await readForm(request, raw)
      return refresh_token === undefined ? {} : { refresh_token }
    }
    default:
      if (isNamed || (await readBody(request, raw, request.routeOptions.bodyLimit)).length === 0) return {}
      throw problem('unsupported_media_type')
  }
}

function sidOfRefreshToken(app: FastifyInstance, refreshToken: string | undefined): string | undefined {
  return refreshToken === undefined ? undefined : app.sessions.claimsOf(refreshToken)?.sid
}

// Of any audience, expired or not: the token says whose session it is, and ending that is all that is done with it.
function ownerOfAccessToken(app: FastifyInstance, request: FastifyRequest) {
  const token = bearerToken(request.raw.rawHeaders)
  return token === undefined ? undefined : app.accessTokens.ownerOf(token)
}

// Fastify refuses a field that is no media type before anybody is asked.
async function takeAnyMediaType({ raw, mediaType }: FastifyRequest): Promise<void> {
  if (!mediaType) delete raw.headers['content-type']
}

// What the schema says is checked when the body is read, which comes last.
async function haveBody(request: FastifyRequest): Promise<void> {
  request.body = {}
}
