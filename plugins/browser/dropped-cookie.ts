// Tells when a browser will drop the cookies of a response: a sign-in then looks well and the first refresh fails. It must never
// say so of a browser that keeps them; where the request does not prove it, nothing is said.
import type { FastifyRequest } from 'fastify'
import { isLoopback } from '../http-edge/own-hosts.ts'

/** Why a browser drops them, and what to do; the sentences are for developers. */
export const droppedCookieWarnings = {
  cross_site:
    'The browser drops the cookie of this sign-in: the page is of another site than the gateway (localhost and 127.0.0.1 ' +
    'are two sites). Open the page by the same site, or let its own server pass requests on to the gateway.',
  plain_http:
    'The browser drops the cookie of this sign-in: it is Secure, and the gateway was called over plain http beyond ' +
    'localhost. Put https in front of it.',
} as const

export type DroppedCookie = keyof typeof droppedCookieWarnings

/**
 * Whether the browser that sent a request will drop the cookies of the response, which are `Secure` and `SameSite=Strict`.
 * Browsers send `Sec-Fetch-Site` only where they keep Secure cookies: to https and to loopback (Fetch Metadata section 2.3). So
 * with the field the site decides (RFC 6265bis section 5.7), and without it an origin that is this very host over http.
 * @returns undefined when it keeps them, or when that cannot be told
 */
export function droppedCookie({
  headers,
  protocol,
  host,
}: Pick<FastifyRequest, 'headers' | 'protocol' | 'host'>): DroppedCookie | undefined {
  const { 'sec-fetch-site': site, origin } = headers
  if (site !== undefined) return site === 'cross-site' ? 'cross_site' : undefined
  const called = nameOf(`http://${host}`)
  if (protocol === 'https' || called === undefined || isLoopback(called)) return undefined
  return nameOf(origin) === called ? 'plain_http' : undefined
}

// The host of an http origin, whatever its port.
function nameOf(origin: string | undefined): string | undefined {
  if (!origin?.startsWith('http:') || !URL.canParse(origin)) return undefined
  return new URL(origin).hostname
}
