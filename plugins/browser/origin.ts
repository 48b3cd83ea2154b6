// Cross-site request forgery: requests that a browser sends with our cookie must come from our own pages or an allowed origin.
// `sameOriginOnly` is the onRequest hook of every route that reads or sets the refresh cookie; `authenticate` demands the same of
// a request whose access token came in a cookie. It must never guess: what the two fields do not clearly allow is refused
// (OWASP CSRF sheet, Fetch Metadata; RFC 6454 section 7).
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { schemeOf } from '../clients/scheme.ts'
import { problem } from '../errors/index.ts'
import type { OwnHosts } from '../http-edge/own-hosts.ts'
import { hasRefreshCookie } from './cookies.ts'

declare module 'fastify' {
  interface FastifyInstance {
    browserOrigins: BrowserOrigins
  }
}

export interface BrowserOriginOptions {
  /** The gateway's own origin, as browsers write it. */
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
 * An onRequest hook that refuses what did not come from an allowed page.
 * @throws Problem `origin_refused`
 */
export async function sameOriginOnly(request: FastifyRequest): Promise<void> {
  requireOrigin(request, { hasCookie: hasRefreshCookie(request), isRead: isReadMethod(request.method) })
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
 * `none` for a read, or anything else together with an allowed origin.
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
      return use.isRead ? { ok: true } : { ok: false, why: 'not_a_navigation' }
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
