// The names of header fields: which of them a gateway consumes, makes itself or passes on. A result is remembered for the
// spelling it was asked about. It must never let a second spelling of ours through.

/** What happens to a field of a client. `cookie` and `authorization` pass in part or on demand. */
export type RequestFieldRule = 'pass' | 'drop' | 'cookie' | 'authorization'

/** RFC 9110 section 7.6.1 and RFC 9112: fields of one connection, never passed on in either direction. */
const hopByHopNames: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Fields that the gateway makes itself; a client's copy never passes, in no spelling. */
const ownNames: ReadonlySet<string> = new Set([
  'forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-request-id',
])

/** Beginnings of names that the gateway makes itself or that speak to it. */
const ownPrefixes: readonly string[] = ['x-auth-', 'x-forwarded', 'proxy-']

/** Fields with which a client would have some service take another method or path than the one that was checked. */
const overrideNames: ReadonlySet<string> = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-method',
  'x-original-method',
  'x-original-url',
  'x-original-uri',
  'x-rewrite-url',
])

// Taken by the gateway: Host is the instance's, a length belongs to the message that is really sent, and an expectation was
// answered here. `Proxy` is no field of HTTP, but a
// service behind CGI would find it as HTTP_PROXY and call others through it (httpoxy, CVE-2016-5385).
const consumedNames: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'proxy'])

// Spellings that clients really use are few; the bound is for those who invent them, and who must not fill it for good.
const rememberedLimit = 512
const requestFieldRules = new Map<string, RequestFieldRule>()

/**
 * What happens to a client's field.
 * @param name as the client wrote it
 */
export function checkRequestField(name: string): RequestFieldRule {
  const known = requestFieldRules.get(name)
  if (known !== undefined) return known
  const result = requestFieldRule(name.toLowerCase())
  if (requestFieldRules.size >= rememberedLimit) requestFieldRules.clear()
  requestFieldRules.set(name, result)
  return result
}

function requestFieldRule(name: string): RequestFieldRule {
  if (name === 'cookie' || name === 'authorization') return name
  // A service behind CGI, WSGI or Rack reads `_` as `-`; the older CGI rule makes every other sign one, too.
  if (name.includes('_')) return 'drop'
  if (hopByHopNames.has(name) || consumedNames.has(name)) return 'drop'
  const plainName = name.replace(/[^a-z0-9]/g, '-')
  if (ownPrefixes.some((prefix) => plainName.startsWith(prefix))) return 'drop'
  if (ownNames.has(plainName) || overrideNames.has(plainName)) return 'drop'
  // Only in its own spelling; `co.okie` is nothing, but `proxy.authorization` and `transfer.encoding` were something above.
  return plainName !== name && (hopByHopNames.has(plainName) || passRequirement.has(plainName)) ? 'drop' : 'pass'
}

const passRequirement: ReadonlySet<string> = new Set(['host', 'expect', 'content-length'])

// Of a service's response: the connection's fields, those of ours it may not speak for, and an invitation past the gateway.
const droppedOfResponses: ReadonlySet<string> = new Set([...hopByHopNames, 'x-request-id', 'alt-svc'])

// What a response says about a whole origin, which the gateway and all services share: its service workers, its storage, its
// certificates, where its reports go, who is signed in, what its requests carry. And what a proxy in front of the gateway would
// obey: to send some file or another place's content instead.
const ofWholeOrigin: ReadonlySet<string> = new Set([
  'accept-ch',
  'clear-site-data',
  'critical-ch',
  'expect-ct',
  'nel',
  'origin-agent-cluster',
  'public-key-pins',
  'public-key-pins-report-only',
  'report-to',
  'reporting-endpoints',
  'sec-session-challenge',
  'sec-session-registration',
  'secure-session-challenge',
  'secure-session-registration',
  'service-worker-allowed',
  'set-login',
  'strict-transport-security',
  'x-lighttpd-send-file',
  'x-litespeed-location',
  'x-reproxy-url',
  'x-sendfile',
  'x-sendfile2',
])

/**
 * What happens to a field of a service's response. `withheld` passes where the route lets it through by name.
 */
export type ResponseFieldRule = 'pass' | 'drop' | 'withheld'

const responseFieldRules = new Map<string, ResponseFieldRule>()

/**
 * What happens to a field of a service's response.
 * @param name in lower case
 */
export function checkResponseField(name: string): ResponseFieldRule {
  const known = responseFieldRules.get(name)
  if (known !== undefined) return known
  const result = responseFieldRule(name)
  if (responseFieldRules.size >= rememberedLimit) responseFieldRules.clear()
  responseFieldRules.set(name, result)
  return result
}

function responseFieldRule(name: string): ResponseFieldRule {
  if (droppedOfResponses.has(name) || name.startsWith('proxy-')) return 'drop'
  return ofWholeOrigin.has(name) || name.startsWith('x-accel-') ? 'withheld' : 'pass'
}

/**
 * Whether a comma separated list (RFC 9110 section 5.6.1) has this member.
 * @param member in lower case
 */
export function hasMember(list: string, member: string): boolean {
  return list.split(',').some((one) => one.trim().toLowerCase() === member)
}

const nothing: ReadonlySet<string> = new Set()

/**
 * The names that a Connection field nominates (RFC 9110 section 7.6.1: they MUST be removed).
 * @param connection the field's value, several joined by a comma, or undefined
 * @returns names in lower case
 */
export function nominatedBy(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return nothing
  const names = new Set<string>()
  for (const option of connection.split(',')) names.add(option.trim().toLowerCase())
  return names
}
