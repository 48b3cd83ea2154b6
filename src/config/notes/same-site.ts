// Which origins browsers count as one site (HTML section 7.1.1.1: same scheme, same registrable domain). The cookies of this
// gateway go to pages of its own site alone, so another site is allowed for nothing when its pages sign in by cookie.
import { createRequire } from 'node:module'
import { isLoopback } from '../../../plugins/http-edge/own-hosts.ts'
import type { Draft } from '../draft.ts'

/**
 * One sentence that names the allowed origins whose pages get no cookie.
 * @returns none where there is no such origin
 */
export function otherSiteNotes({ values: { allowedOrigins = [], issuer } }: Draft): string[] {
  if (issuer === undefined || !URL.canParse(issuer)) return []
  const others = allowedOrigins.filter(
    (origin) => !isExtension(origin) && !isOfSameSite(new URL(origin), new URL(issuer)),
  )
  if (others.length === 0) return []
  return [
    `CARDEA_ALLOWED_ORIGINS holds ${others.join(', ')}, not of the same site as the issuer ${issuer}: browsers keep no cookie of a sign-in there, so let it sign in with "delivery": "body".`,
  ]
}

// A browser sends cookies for an extension that may reach the gateway's host, wherever that is.
function isExtension(origin: string): boolean {
  return /^[a-z]+-extension:/.test(origin)
}

function isOfSameSite(page: URL, gateway: URL): boolean {
  if (page.protocol !== gateway.protocol) return false
  if (page.hostname === gateway.hostname) return true
  // In development a gateway answers to each of these names, and a page finds it by its own.
  if (isLoopback(page.hostname) && isLoopback(gateway.hostname)) return true
  const domain = domainOf(page.hostname)
  return domain !== null && domain === domainOf(gateway.hostname)
}

// With the list of public suffixes, which is large: it is read only by those who ask.
function domainOf(hostname: string): string | null {
  const require = createRequire(import.meta.url)
  // Boundary: `require` knows no types.
  const { getDomain } = require('tldts') as typeof import('tldts')
  return getDomain(hostname, { allowPrivateDomains: true })
}
