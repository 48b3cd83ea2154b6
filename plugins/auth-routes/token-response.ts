// The token response of RFC 6749 section 5.1, for login and refresh alike: the access token in the body, the refresh token
// where the client wants it; with cookies the access token in one as well, where some route takes it from there. It must never
// put a refresh token into the body of a cookie client's response.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { adminAudience } from '../access-tokens/index.ts'
import { type CookiePlace, setAccessCookie, setRefreshCookie } from '../browser/cookies.ts'
import { problem } from '../errors/index.ts'
import { endsAt } from '../session-store/rotation.ts'
import type { Grant } from '../session-store/sessions.ts'
import type { TokenResponse } from './wire/tokens.ts'

export type Delivery = 'cookie' | 'body'

/** What the routes that give tokens need to know. */
export interface TokenRouteOptions {
  bodyLimitBytes: number
  /** ms */
  clock: () => number
}

export interface TokenRequest {
  /** Where the session's cookies are; undefined for delivery `body`. */
  place: CookiePlace | undefined
  audience: string | undefined
  /** Scope of the access token. */
  scope: string
  nowMs: number
}

/**
 * Makes the access token, writes the refresh token where it goes, and forbids storing (RFC 6749 section 5.1: MUST).
 * @returns the body to send
 */
export function tokenResponse(
  app: FastifyInstance,
  reply: FastifyReply,
  grant: Grant,
  request: TokenRequest,
): TokenResponse {
  const { session, refreshToken } = grant
  const { audience, scope, place } = request
  const access = app.accessTokens.issue(session, { scope, ...(audience !== undefined && { audience }) })
  const refreshExpiresInSeconds = Math.max(0, Math.floor((endsAt(session) - request.nowMs) / 1000))
  if (place !== undefined) {
    setRefreshCookie(reply, place, refreshToken, refreshExpiresInSeconds)
    setAccessCookie(reply, place, access.token, access.expiresInSeconds)
  }
  reply.header('cache-control', 'no-store')
  return {
    access_token: access.token,
    token_type: 'Bearer',
    expires_in: access.expiresInSeconds,
    ...(place === undefined && { refresh_token: refreshToken }),
    refresh_expires_in: refreshExpiresInSeconds,
    session_id: session.sid,
    scope,
  }
}

/**
 * The audience a `resource` parameter asks for (RFC 8707 section 2). The gateway's own administration is given to nobody who
 * shows a cookie: a browser sends it for every page of this origin, those of services too.
 * @returns undefined for the default one
 * @throws Problem `invalid_target`
 */
export function audienceOf(
  { accessTokens }: FastifyInstance,
  resource: string | undefined,
  delivery: Delivery,
): string | undefined {
  if (resource === undefined) return undefined
  if (!accessTokens.audiences.includes(resource)) throw problem('invalid_target', { detail: 'audience_unknown' })
  if (resource !== adminAudience || delivery === 'body') return resource
  throw problem('invalid_target', { detail: 'admin_audience_by_cookie' })
}
