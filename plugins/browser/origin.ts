// Cross-site request forgery: requests that a browser sends with our cookie must come from our own pages or an allowed origin.
// `cookiesFromOwnPages` is the onRequest hook of every route that reads the refresh cookie; a sign-in demands the same before it
// sets one, and `authenticate` of a request whose access token came in a cookie. It must never guess: what the two fields do not
// clearly allow is refused (OWASP CSRF sheet, Fetch Metadata; RFC 6454 section 7). Without a cookie there is nothing to forge.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { schemeOf } from '../clients/scheme.ts'
import { problem } from '../errors/index.ts'
import type { OwnHosts } from '../http-edge/own-hosts.ts'
import { hasSessionCookie } from './cookies.ts'

declare module 'fastify' {
  interface FastifyInstance {
    browserOrigins: BrowserOrigins
  }
}

export interface BrowserOriginOptions {
  /** Our own origin, as browsers write it. */
  ownOrigin: string
  /** Other origins whose pages may send cookie requests, exactly as browsers write them. */
  allowedOrigins: string[]
  /** The hosts that we answer for. */
  hosts: OwnHosts
}

/** Whose pages may send cookie requests. */
export interface BrowserOrigins {
  own: string
  allowed: ReadonlySet<string>
  hosts: OwnHosts
}

export type CheckedOrigin =
  | { ok: true }
  | { ok: false; why: 'headers_missing' | 'site_unknown' | 'not_a_navigation' | 'site_foreign' | 'origin_foreign' }

/** What of a request, beside the two fields, decides. */
export interface CookieUse {
  hasCookie: boolean
  /** Whether it only reads, so that a browser may send it because its user has typed the address. */
  isRead: boolean
}

/**
 * An onRequest hook that refuses cookies that did not come from an allowed page. What shows no cookie brings its own token, and
 * may come from anywhere: apps in a web view and extensions have origins that nobody knows.
 * @throws Problem `origin_refused`
 */
export async function cookiesFromOwnPages(request: FastifyRequest): Promise<void> {
  if (!hasSessionCookie(request)) return
  requireOrigin(request, { hasCookie: true, isRead: isReadMethod(request.method) })
}

/**
 * Refuses to set cookies for a page that is not allowed to: it would sign its visitors in as somebody of its own choice.
 * @throws Problem `origin_refused`
 */
export function requireOriginToSetCookies(request: FastifyRequest): void {
  requireOrigin(request, { hasCookie: hasSessionCookie(request), isRead: false })
}

/**
 * Refuses a request that did not come from an allowed page, and records it.
 * @throws Problem `origin_refused`
 */
export function requireOrigin(request: FastifyRequest, use: CookieUse): void {
  const result = checkOrigin(request, use, request.server.browserOrigins)
  if (result.ok) return
  request.server.audit.record(request, { reason: 'origin_refused', granted: false, detail: result.why })
  throw problem('origin_refused', { detail: result.why })
}

/**
 * The rule, pure: `Origin`, where sent, is ours or an allowed one; `Sec-Fetch-Site`, where sent, is `same-origin`, or
 * `none` for a read, or a site of that field together with an allowed origin.
 * @param origins ours and the allowed ones
 */
function checkOrigin(request: FastifyRequest, use: CookieUse, origins: BrowserOrigins): CheckedOrigin {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (origin === undefined && site === undefined) {
    // No browser of today sends a POST without both. A cookie in such a request is not worth the doubt.
    return use.hasCookie ? { ok: false, why: 'headers_missing' } : { ok: true }
  }
  const isAllowed = origin !== undefined && origins.allowed.has(origin)
  if (origin !== undefined && !isAllowed && !isOwn(origin, request, origins))
    return { ok: false, why: 'origin_foreign' }
  switch (site) {
    case undefined:
    case 'same-origin':
      return { ok: true }
    case 'none':
      // An extension of the browser has no site; its origin is its own.
      return use.isRead || isAllowed ? { ok: true } : { ok: false, why: 'not_a_navigation' }
    case 'same-site':
    case 'cross-site':
      return isAllowed ? { ok: true } : { ok: false, why: 'site_foreign' }
    default:
      return { ok: false, why: 'site_unknown' }
  }
}

/** Whether the page that a request comes from, by its Origin field, is our own or an allowed one. */
export function isAllowedOrigin(request: FastifyRequest, origins: BrowserOrigins): boolean {
  const { origin } = request.headers
  return origin !== undefined && (origins.allowed.has(origin) || isOwn(origin, request, origins))
}

// The address a request was sent to is its page's own origin too, where it is one of ours: a gateway is reached by more than one
// name. A page that had its own name lead here sends that name, which is none. One of the same host over http is `cross-site`.
function isOwn(origin: string, request: FastifyRequest, origins: BrowserOrigins): boolean {
  if (origin === origins.own) return true
  return origins.hosts.has(request.host) && origin === `${schemeOf(request)}://${request.host.toLowerCase()}`
}

/** Whether a method only reads (RFC 9110 section 9.2.1), among those that a browser navigates with. */
export function isReadMethod(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

async function browserOrigin(app: FastifyInstance, options: BrowserOriginOptions): Promise<void> {
  app.decorate('browserOrigins', {
    own: options.ownOrigin,
    hosts: options.hosts,
    allowed: new Set(options.allowedOrigins.filter((origin) => origin !== 'null')),
  })
}

/** Fastify plugin: decorates `app.browserOrigins`, which `requireOrigin` reads. */
export default fp(browserOrigin, {
  name: 'browser-origin',
  fastify: '5.x',
  dependencies: ['audit', 'cookies'],
  decorators: { fastify: ['audit'] },
})
