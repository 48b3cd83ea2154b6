// The plugin `authenticate`: who is calling, and may they. Our own routes use `requires(policy)`, forwarded ones call
// `app.authorize`. Every denial is one event with one reason; the client hears no more than RFC 6750 says.
// The token is that of `Authorization: Bearer`; where a route says so, and no such field came, that of a cookie.
// Nothing here waits: a request costs a look-up of its token and a few in this node's list of what is revoked.
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { Verified } from './access-tokens/access-token.ts'
import { type AccessClaims, isFor } from './access-tokens/index.ts'
import type { Reason } from './audit/reasons/index.ts'
import { readAccessCookies } from './browser/cookies.ts'
import { isReadMethod, requireOrigin } from './browser/origin.ts'
import { bearerChallenge, type ErrorCode, type Problem, problem } from './errors/index.ts'

/**
 * What a route demands of its caller: nothing, any valid access token, or one with any one of the roles and all of the
 * scopes (both, where both are given).
 */
export type Policy = 'public' | 'authenticated' | { roles?: readonly string[]; scopes?: readonly string[] }

export interface AuthorizeOptions {
  /** Whom the token must be for; the gateway's default audience when absent. */
  audience?: string | undefined
  /** The most that may have passed since the password was checked; any time when absent. */
  maxAgeSeconds?: number | undefined
  /** Whether the access token may come in its cookie instead, from our own or an allowed origin; default false. */
  accessCookie?: boolean
  /** Whether what is asked for only reads; by the request's own method when absent. It counts for cookies only. */
  isRead?: boolean
}

/** What has become of access tokens that were let in: asked about what is still under way. */
export interface TokenStatus {
  /** Revoked: the token, its session, its subject, everyone, or the key that signed it. */
  of(access: AccessClaims): 'good' | 'revoked' | 'expired'
  /** Calls `listener` when something was revoked; it must neither throw nor wait. */
  onRevoked(listener: () => void): void
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What the caller's access token says; null where none was demanded. */
    access: AccessClaims | null
  }
  interface FastifyInstance {
    /**
     * Checks a request against a policy and sets `request.access`; `public` reads nothing and leaves it null.
     * @throws Problem unauthenticated, invalid_token, insufficient_user_authentication (401), forbidden, insufficient_scope (403), revocation_unknown (503); with
     * a cookie invalid_request (400), origin_refused (403)
     */
    authorize(request: FastifyRequest, policy: Policy, options?: AuthorizeOptions): void
    tokenStatus: TokenStatus
  }
}

async function authenticate(app: FastifyInstance): Promise<void> {
  app.decorateRequest('access', null)
  app.decorate('authorize', (request, policy, options) => authorize(app, request, policy, options))
  // First, so that whoever asks for a standing when something was revoked is told of keys too.
  app.revocation.onRevoked((revocations) => {
    for (const one of revocations) if (one.kind === 'signing_key') app.accessTokens.dropKey(one.kid)
  })
  app.decorate('tokenStatus', {
    of: (access) => tokenStatusOf(app, access),
    onRevoked: (listener) => app.revocation.onRevoked(() => listener()),
  })
}

/**
 * The hook that guards one of our own routes.
 * @param policy what the route demands
 * @param options whom the token must be for, how lately the password was checked, whether it may come in its cookie
 * @returns an `onRequest` hook; it refuses before a body is read
 */
export function requires(policy: Policy, options?: AuthorizeOptions): onRequestHookHandler {
  return (request, _reply, done) => {
    request.server.authorize(request, policy, options)
    done()
  }
}

/**
 * The claims of a request that `requires` has let through.
 * @throws Problem `unauthenticated`, on a route that forgot the hook
 */
export function accessOf(request: FastifyRequest): AccessClaims {
  if (!request.access) throw problem('unauthenticated', { detail: 'token_missing' })
  return request.access
}

function tokenStatusOf(
  { revocation, accessTokens }: FastifyInstance,
  access: AccessClaims,
): ReturnType<TokenStatus['of']> {
  if (revocation.isRevoked(access) || accessTokens.isOfRevokedKey(access)) return 'revoked'
  return accessTokens.isExpired(access) ? 'expired' : 'good'
}

function authorize(app: FastifyInstance, request: FastifyRequest, policy: Policy, options?: AuthorizeOptions): void {
  if (policy === 'public') return
  const claims = authenticated(app, request, options)
  const audience = options?.audience ?? app.accessTokens.defaultAudience
  if (!isFor(claims.aud, audience)) {
    throw denied(app, request, { ...invalidToken('token_foreign', claims), detail: `not for ${audience}` })
  }
  if (app.revocation.isRevoked(claims)) throw denied(app, request, invalidToken('token_revoked', claims))
  if (app.revocation.isStale()) throw denied(app, request, { ...unknown, claims })
  // Whatever the policy says: a client that sends this token has received it.
  app.delivery.seen(claims.sid, claims.gen)
  if (policy !== 'authenticated') requirePolicy(app, request, policy, claims)
  if (options?.maxAgeSeconds !== undefined) requireRecent(app, request, options.maxAgeSeconds, claims)
  request.access = claims
}

function authenticated(
  app: FastifyInstance,
  request: FastifyRequest,
  options: AuthorizeOptions | undefined,
): AccessClaims {
  // A Bearer token that is wrong stays wrong: a cookie never makes up for it.
  const bearer = bearerToken(request.raw.rawHeaders)
  const verified = bearer === undefined ? verifiedCookie(app, request, options) : app.accessTokens.verify(bearer)
  if (verified === undefined) throw denied(app, request, missing)
  if (!verified.ok) throw denied(app, request, invalidToken(verified.reason))
  return verified.claims
}

// A browser sends a cookie whoever asks it to, so whose page asks is looked at before the token is.
function verifiedCookie(
  app: FastifyInstance,
  request: FastifyRequest,
  options: AuthorizeOptions | undefined,
): Verified | undefined {
  if (!options?.accessCookie) return undefined
  const [token, other] = readAccessCookies(request)
  if (token === undefined) return undefined
  requireOrigin(request, { hasCookie: true, isRead: options.isRead ?? isReadMethod(request.method) })
  const verified = app.accessTokens.verify(token)
  return other === undefined ? verified : newerOf(app, verified, app.accessTokens.verify(other))
}

// Two are of two sessions, and a sign-in has ended the older one: its last token was issued before the newer one's first, or in
// the same second.
function newerOf(app: FastifyInstance, one: Verified, other: Verified): Verified {
  if (!one.ok || !other.ok) return one.ok ? one : other
  const secondsLater = other.claims.iat - one.claims.iat
  return secondsLater > 0 || (secondsLater === 0 && app.revocation.isRevoked(one.claims)) ? other : one
}

function requirePolicy(
  app: FastifyInstance,
  request: FastifyRequest,
  { roles, scopes }: Exclude<Policy, string>,
  claims: AccessClaims,
): void {
  if (roles && !roles.some((role) => claims.roles.includes(role))) {
    throw denied(app, request, { ...forbidden, claims, detail: `lacks the role ${roles.join(' or ')}` })
  }
  const lacking = scopes === undefined ? [] : lackingOf(claims.scope, scopes)
  if (scopes !== undefined && lacking.length > 0) {
    throw denied(app, request, { ...insufficientScope(scopes), claims, detail: `lacks the scope ${lacking.join(' ')}` })
  }
}

function requireRecent(
  app: FastifyInstance,
  request: FastifyRequest,
  maxAgeSeconds: number,
  claims: AccessClaims,
): void {
  if (app.accessTokens.isAuthenticatedWithin(claims, maxAgeSeconds)) return
  throw denied(app, request, { ...tooLongAgo(maxAgeSeconds), claims })
}

function lackingOf(granted: string, wanted: readonly string[]): string[] {
  const held = granted.split(' ')
  return wanted.filter((scope) => !held.includes(scope))
}

const field = 'authorization'
const scheme = 'bearer'

/**
 * The token of `Authorization: Bearer` (RFC 6750 section 2.1: `"Bearer" 1*SP b64token`, the scheme in any case).
 * Tokens anywhere else, in the query or in a body, are not looked at (RFC 9700 section 4.3.2).
 * @param rawHeaders names and values in turn, as received: of two equal fields, Node would show the first only
 * @returns the token; '' (which is no token) for a repeated field or a bare scheme; undefined when no Bearer came
 */
export function bearerToken(rawHeaders: readonly string[]): string | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!isAuthorization(rawHeaders[i])) continue
    if (value !== undefined) return ''
    value = rawHeaders[i + 1] ?? ''
  }
  return value === undefined ? undefined : tokenOf(value)
}

function isAuthorization(name: string | undefined): boolean {
  return name?.length === field.length && name.toLowerCase() === field
}

// What follows the blanks is handed on as it is: the verifier takes nothing but a token.
function tokenOf(value: string): string | undefined {
  if (value.slice(0, scheme.length).toLowerCase() !== scheme) return undefined
  if (value.length === scheme.length) return ''
  let start = scheme.length
  while (value[start] === ' ') start++
  return start === scheme.length ? undefined : value.slice(start)
}

interface AccessProblem {
  code: ErrorCode
  reason: Reason
  headers: Record<string, string>
  claims?: AccessClaims
  /** What was lacking, by the config. */
  detail?: string
}

// RFC 6750 section 3: without any credential the challenge carries no error code.
const missing: AccessProblem = {
  code: 'unauthenticated',
  reason: 'token_missing',
  headers: { 'www-authenticate': bearerChallenge },
}

// RFC 6750 section 3.1 knows one word for "more privileges than the token gives", whichever kind they are of.
const forbidden: AccessProblem = {
  code: 'forbidden',
  reason: 'policy_refused',
  headers: { 'www-authenticate': `${bearerChallenge}, error="insufficient_scope"` },
}

const unknown: AccessProblem = { code: 'revocation_unknown', reason: 'revocation_unknown', headers: {} }

function invalidToken(reason: Reason, claims?: AccessClaims): AccessProblem {
  const headers = { 'www-authenticate': `${bearerChallenge}, error="invalid_token"` }
  return { code: 'invalid_token', reason, headers, ...(claims && { claims }) }
}

function insufficientScope(scopes: readonly string[]): AccessProblem {
  const headers = { 'www-authenticate': `${bearerChallenge}, error="insufficient_scope", scope="${scopes.join(' ')}"` }
  return { code: 'insufficient_scope', reason: 'policy_refused', headers }
}

// RFC 9470 section 3: what a client must do is sign in again, and it is told how lately.
function tooLongAgo(maxAgeSeconds: number): AccessProblem {
  const error = 'error="insufficient_user_authentication", error_description="A more recent sign-in is needed"'
  const headers = { 'www-authenticate': `${bearerChallenge}, ${error}, max_age="${maxAgeSeconds}"` }
  const detail = `signed in more than ${maxAgeSeconds} s ago`
  return { code: 'insufficient_user_authentication', reason: 'policy_refused', headers, detail }
}

function denied(
  app: FastifyInstance,
  request: FastifyRequest,
  { code, reason, headers, claims, detail }: AccessProblem,
): Problem {
  const { sub, sid, gen } = claims ?? {}
  app.audit.record(request, { reason, granted: false, sub, sid, generation: gen, detail })
  return problem(code, { detail: reason, headers })
}

/** Fastify plugin: decorates `app.authorize`, `app.tokenStatus` and `request.access`. */
export default fp(authenticate, {
  name: 'authenticate',
  fastify: '5.x',
  dependencies: ['access-tokens', 'browser-origin', 'revocation', 'session-store', 'audit'],
  decorators: { fastify: ['accessTokens', 'revocation', 'delivery', 'audit'] },
})
