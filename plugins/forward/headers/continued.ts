// Fields of a trusted proxy that a route lets go on, where the gateway else begins anew: who writes them is said by the config, and
// that the proxy does not pass its client's on is the proxy's to see to. What has not their form is as if it were not there. Pure.
import type { IncomingHttpHeaders } from 'node:http'

/** What can go on. */
export const continuable = ['x-request-id', 'x-forwarded-prefix', 'x-forwarded-port', 'forwarded'] as const
export type Continuable = (typeof continuable)[number]

/** What a proxy said, by field. */
export type Continued = Partial<Record<Continuable, string>>

// RFC 7239 section 4: a token and a token or quoted string.
const token = "[\\w!#$%&'*+.^`|~-]+"
const pair = `${token}=(?:${token}|"[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]*")`

const forms: Record<Continuable, RegExp> = {
  'x-request-id': /^[\w.:+/=@-]{1,128}$/,
  'x-forwarded-prefix': /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+){1,32}$/,
  'x-forwarded-port': /^(?!0)\d{1,5}$/,
  forwarded: new RegExp(`^(?=.{1,2048}$)${pair}(?:[ \\t]*[;,][ \\t]*${pair})*$`),
}

/** What a trusted proxy said of these fields. @param wanted by the route */
export function readContinued(wanted: readonly Continuable[], headers: IncomingHttpHeaders): Continued {
  const continued: Continued = {}
  for (const name of wanted) {
    const value = headers[name]
    if (typeof value === 'string' && forms[name].test(value)) continued[name] = value
  }
  return continued
}

/** This gateway's element of Forwarded (RFC 7239), behind those of the proxy. */
export function forwardedOn(
  continued: string,
  { peer, host, protocol }: { peer: string; host: string; protocol: string },
): string {
  const node = peer.includes(':') ? `"[${peer}]"` : peer
  return `${continued}, for=${node};host="${host}";proto=${protocol}`
}
