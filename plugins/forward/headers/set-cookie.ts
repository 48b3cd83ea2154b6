// The Set-Cookie of a service whose paths and whose host clients do not see. Only the attributes Path and Domain are looked at
// (RFC 6265 section 5.2); everything else stays byte for byte. Pure.
import type { CompiledRoute } from '../route/compile.ts'

/**
 * A cookie as clients can keep it: its Path under the route where it lay under what the prefix was replaced by, and, where the route
 * says so, without its Domain, so that it is the gateway's host's.
 */
export function publicCookie(cookie: string, route: CompiledRoute): string {
  const rewritesPath = route.forwardedPrefix !== undefined && !rootOnly.test(cookie)
  if (!rewritesPath && route.cookieDomain === 'keep') return cookie
  const [pair = '', ...attributes] = cookie.split(';')
  const kept = attributes
    .filter((attribute) => route.cookieDomain === 'keep' || !domain.test(attribute))
    .map((attribute) => (rewritesPath ? withPublicPath(attribute, route) : attribute))
  return [pair, ...kept].join(';')
}

// Browsers take one of these names with `Path=/` alone.
const rootOnly = /^[\s=]*__host-/i
const domain = /^\s*domain\s*(?:=|$)/i
const path = /^(\s*path\s*=\s*)(\/.*?)(\s*)$/i

function withPublicPath(attribute: string, { replacement, forwardedPrefix = '/' }: CompiledRoute): string {
  const [, name, value = '', blanks] = path.exec(attribute) ?? []
  if (name === undefined || !value.startsWith(replacement)) return attribute
  const rest = value.slice(replacement.length)
  if (rest !== '' && !rest.startsWith('/')) return attribute
  const prefix = forwardedPrefix === '/' ? '' : forwardedPrefix
  // RFC 6265 section 5.1.4: `/orders/` would not cover `/orders` itself.
  return `${name}${(rest === '/' ? prefix : prefix + rest) || '/'}${blanks}`
}
