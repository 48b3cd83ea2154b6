// The refresh cookie: read, set and cleared here and nowhere else, so that its attributes are the same each time.
// Called by the login, token and logout routes. It must never pick one of two cookies of the name: that is an attack.
import fastifyCookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from './errors.ts'

/** `__Host-`: a browser takes it only with Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2). */
export const refreshCookieName = '__Host-cardea_refresh'

const attributes = { path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const

/**
 * The refresh token that a request carries in its cookie. Names are compared byte for byte: no case folding, no decoding.
 * @returns the value as sent, or undefined without such a cookie
 * @throws Problem `invalid_request` when there are two (cookie tossing)
 */
export function readRefreshCookie(request: FastifyRequest): string | undefined {
  const [value, second] = refreshCookies(request)
  if (second !== undefined) throw problem('invalid_request', { reason: 'refresh_cookie_repeated' })
  return value
}

/** Whether a request carries the refresh cookie, once or more often. */
export function hasRefreshCookie(request: FastifyRequest): boolean {
  return refreshCookies(request).length > 0
}

/**
 * Sets the refresh cookie.
 * @param maxAgeSeconds what is left of the refresh token's life
 */
export function setRefreshCookie(reply: FastifyReply, refreshToken: string, maxAgeSeconds: number): void {
  reply.setCookie(refreshCookieName, refreshToken, { ...attributes, maxAge: maxAgeSeconds })
}

/** Removes the refresh cookie from the browser, with the attributes it was set with. */
export function clearRefreshCookie(reply: FastifyReply): void {
  reply.clearCookie(refreshCookieName, attributes)
}

// Node joins several Cookie fields with `; `, so one walk sees them all.
function refreshCookies(request: FastifyRequest): string[] {
  const header = request.headers.cookie
  if (!header?.includes(refreshCookieName)) return []
  const found: string[] = []
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || trimBlank(pair.slice(0, equals)) !== refreshCookieName) continue
    found.push(trimBlank(pair.slice(equals + 1)))
  }
  return found
}

// Space and tab only, as RFC 6265bis says; `trim` would fold other characters into the name. No pattern: one that is tied to
// the end is tried at each of the blanks that a stranger may send by the thousand.
function trimBlank(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text, start)) start += 1
  while (end > start && isBlank(text, end - 1)) end -= 1
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09
}

async function cookies(app: FastifyInstance): Promise<void> {
  // Nothing is parsed per request: the one cookie we know is read from the raw field above.
  await app.register(fastifyCookie, { hook: false })
}

/** Fastify plugin: lets replies set and clear cookies. */
export default fp(cookies, { name: 'cookies', fastify: '5.x' })
