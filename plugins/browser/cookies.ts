// The gateway's own cookies: read, set and cleared here and nowhere else, so that their attributes are the same each time. It
// must never pick one of two cookies of a name: that is an attack. A session's cookies have one of two places, used in turn,
// so that a late response about an old session never meets those of a newer one.
import fastifyCookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '../errors/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether some route takes the access token from its cookie. Where none does, that cookie is neither set nor cleared. */
    usesAccessCookie: boolean
  }
}

export interface CookiesOptions {
  /** Whether some route takes the access token from a cookie; `false` when absent. */
  usesAccessCookie?: boolean
}

/** The names of a session's cookies. */
export interface CookiePlace {
  readonly refresh: string
  readonly access: string
}

/** `__Host-`: a browser takes it only with Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2). */
export const refreshCookieName = '__Host-cardea_refresh'
export const accessCookieName = '__Host-cardea_access'

/** The usual place, and the one of a session that begins while a browser still shows the cookies of another one. */
export const cookiePlaces: readonly [CookiePlace, CookiePlace] = [
  { refresh: refreshCookieName, access: accessCookieName },
  { refresh: `${refreshCookieName}2`, access: `${accessCookieName}2` },
]

/** Proves that somebody has signed in here before. It opens nothing, so a sign-out leaves it. */
export const deviceCookieName = '__Host-cardea_device'

/** RFC 6265bis section 5.6: browsers ignore a cookie whose name and value are longer together. */
const maxCookieBytes = 4096

const attributes = { path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const

/** A place whose cookies came along. */
export interface PresentedPlace {
  place: CookiePlace
  /** As sent; undefined where only the access token's cookie came. */
  refreshToken: string | undefined
}

/**
 * The places whose cookies a request carries. Names are compared byte for byte: no case folding, no decoding.
 * @throws Problem `invalid_request` when there are two refresh cookies of one name (cookie tossing)
 */
export function presentedPlaces(request: FastifyRequest): PresentedPlace[] {
  const { usesAccessCookie } = request.server
  const presented: PresentedPlace[] = []
  for (const place of cookiePlaces) {
    const refreshToken = onlyCookie(request, place.refresh, 'refresh_cookie_repeated')
    const isThere = refreshToken !== undefined || (usesAccessCookie && cookiesNamed(request, place.access).length > 0)
    if (isThere) presented.push({ place, refreshToken })
  }
  return presented
}

/**
 * The access tokens that a request carries in cookies, by the same rules: one, or two of two places.
 * @throws Problem `invalid_request` when there are two of one name
 */
export function readAccessCookies(request: FastifyRequest): string[] {
  if (!request.headers.cookie?.includes(accessCookieName)) return []
  return cookiePlaces
    .map(({ access }) => onlyCookie(request, access, 'access_cookie_repeated'))
    .filter((token) => token !== undefined)
}

/**
 * What a request carries in the device cookie, by the same rules.
 * @throws Problem `invalid_request` when there are two
 */
export function readDeviceCookie(request: FastifyRequest): string | undefined {
  return onlyCookie(request, deviceCookieName, 'device_cookie_repeated')
}

/** Whether a request carries a cookie of a session, of whichever place, once or more often. */
export function hasSessionCookie(request: FastifyRequest): boolean {
  const { usesAccessCookie } = request.server
  return cookiePlaces.some(
    ({ refresh, access }) =>
      cookiesNamed(request, refresh).length > 0 || (usesAccessCookie && cookiesNamed(request, access).length > 0),
  )
}

/**
 * Sets the refresh cookie.
 * @param place that of its session
 * @param maxAgeSeconds what is left of the refresh token's life
 */
export function setRefreshCookie(
  reply: FastifyReply,
  place: CookiePlace,
  refreshToken: string,
  maxAgeSeconds: number,
): void {
  reply.setCookie(place.refresh, refreshToken, { ...attributes, maxAge: maxAgeSeconds })
}

/** Sets the device cookie. @param maxAgeSeconds how long it is taken */
export function setDeviceCookie(reply: FastifyReply, value: string, maxAgeSeconds: number): void {
  reply.setCookie(deviceCookieName, value, { ...attributes, maxAge: maxAgeSeconds })
}

/**
 * Sets the cookie of the access token, where some route takes it. One that is too long for a cookie takes an older one's
 * place all the same: that may be another person's.
 * @param place that of its session
 * @param maxAgeSeconds what is left of the access token's life
 */
export function setAccessCookie(
  reply: FastifyReply,
  place: CookiePlace,
  accessToken: string,
  maxAgeSeconds: number,
): void {
  if (!reply.server.usesAccessCookie) return
  const bytes = place.access.length + accessToken.length
  if (bytes <= maxCookieBytes) {
    reply.setCookie(place.access, accessToken, { ...attributes, maxAge: maxAgeSeconds })
    return
  }
  reply.clearCookie(place.access, attributes)
  reply.log.warn({ bytes, maxCookieBytes }, 'an access token is too long for its cookie, so none was set')
}

/** Removes a session's cookies from the browser, with the attributes they were set with. */
export function clearCookies(reply: FastifyReply, place: CookiePlace): void {
  reply.clearCookie(place.refresh, attributes)
  if (reply.server.usesAccessCookie) reply.clearCookie(place.access, attributes)
}

function onlyCookie(request: FastifyRequest, name: string, detailOfTwo: string): string | undefined {
  const [value, second] = cookiesNamed(request, name)
  if (second !== undefined) throw problem('invalid_request', { detail: detailOfTwo })
  return value
}

// Node joins several Cookie fields with `; `, so one walk sees them all.
function cookiesNamed(request: FastifyRequest, name: string): string[] {
  const header = request.headers.cookie
  if (!header?.includes(name)) return []
  const found: string[] = []
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || trimBlank(pair.slice(0, equals)) !== name) continue
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

async function cookies(app: FastifyInstance, { usesAccessCookie = false }: CookiesOptions): Promise<void> {
  app.decorate('usesAccessCookie', usesAccessCookie)
  // Nothing is parsed per request: the cookies we know are read from the raw field above.
  await app.register(fastifyCookie, { hook: false })
}

/** Fastify plugin: lets replies set and clear cookies; decorates `app.usesAccessCookie`. */
export default fp(cookies, { name: 'cookies', fastify: '5.x' })
