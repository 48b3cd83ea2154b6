// The common parts of the routes under /admin: options, the frame of their schemas, and what they refuse with.
import type { FastifyRequest } from 'fastify'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { isReadMethod } from '../../../plugins/browser/origin.ts'
import type { ErrorCode } from '../../../plugins/errors/index.ts'
import { administrator } from '../../../plugins/session-store/port/administrators.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of a route under /admin that changes something: operators may do that, too. */
    isForOperators?: boolean
  }
}

export interface AdminOptions {
  bodyLimitBytes: number
  /** What changes something demands a sign-in that is no older. */
  maxAgeSeconds: number
}

/** May read everything here and end sessions; users and keys are not theirs to change. */
export const operator = 'operator'

/**
 * Demands of a caller what the route is: everybody here reads, administrators change, operators where the route says so; and
 * whoever changes something has given the password lately.
 * @throws Problem as `app.authorize`
 */
export function authorizeAdmin(request: FastifyRequest, maxAgeSeconds: number): void {
  const isRead = isReadMethod(request.method)
  const isForOperators = isRead || request.routeOptions.config?.isForOperators === true
  const roles = isForOperators ? [administrator, operator] : [administrator]
  const options = { audience: adminAudience, maxAgeSeconds: isRead ? undefined : maxAgeSeconds }
  request.server.authorize(request, { roles }, options)
}

/** What every route here is. */
export const adminSchema = { tags: ['admin'], security: [{ bearer: [] }] }

/** What every route here can refuse with. */
export const adminErrors = [
  'invalid_request',
  'unauthenticated',
  'invalid_token',
  'insufficient_user_authentication',
  'forbidden',
  'revocation_unknown',
  'store_unavailable',
] as const satisfies ErrorCode[]

/** What a DELETE can refuse with besides: a body means nothing there, but one that comes is read first. */
export const deleteErrors = [...adminErrors, 'unsupported_media_type', 'body_too_large'] as const
