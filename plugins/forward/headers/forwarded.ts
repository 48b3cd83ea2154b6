// The header fields that go to a service and those that come back: built anew in one pass over what was received. Pure. A
// field of the gateway's own is added after the client's were checked, so that no client can write, repeat or remove it.
// Nothing here reads a request.

import { exposedFields } from '../../browser/cors.ts'
import type { CompiledRoute } from '../route/compile.ts'
import { checkRequestField, checkResponseField, nominatedBy } from './names.ts'

/** Who the caller is, as a verified access token says. */
export interface Identity {
  sub: string
  sid: string
  roles: readonly string[]
  scope: string
}

/** What the gateway itself knows about a request and tells the service. */
export interface Origin {
  /** The Host field of the instance. */
  host: string
  /** Addresses from the client to the peer: only the peer's unless it is a trusted proxy. */
  addresses: readonly string[]
  protocol: string
  /** The host the client asked for. */
  forwardedHost: string
  requestId: string
  /** Minor version of the HTTP/1 that the client spoke, for Via. */
  httpVersionMinor: number
  identity: Identity | null
}

/**
 * The header fields to send to a service.
 * @param rawHeaders names and values in turn, as received
 * @param connection the client's Connection field, joined
 * @param origin what the gateway adds
 * @returns names and values in turn
 */
export function requestFields(
  route: CompiledRoute,
  rawHeaders: readonly string[],
  connection: string | undefined,
  origin: Origin,
): string[] {
  const nominated = nominatedBy(connection)
  const fields = ['host', origin.host]
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const result = checkRequestField(name)
    if (result === 'drop') continue
    if (nominated.size > 0 && nominated.has(name.toLowerCase())) continue
    const value = rawHeaders[i + 1] ?? ''
    if (result === 'pass') fields.push(name, value)
    else if (result === 'cookie') pushCookies(fields, name, value)
    else if (route.forwardAuthorization) fields.push(name, value)
  }
  pushOrigin(fields, route, origin)
  if (route.identityHeaders && origin.identity !== null) fields.push(...identityFields(origin.identity))
  return fields
}

/**
 * The identity fields of a caller, by name. A caller without an identity has empty ones.
 */
export function identityOf(identity: Identity | null): Record<string, string> {
  const fields = makeIdentityFields(identity ?? { sub: '', sid: '', roles: [], scope: '' })
  const named: Record<string, string> = {}
  for (let i = 0; i + 1 < fields.length; i += 2) named[fields[i] ?? ''] = fields[i + 1] ?? ''
  return named
}

/**
 * The value of a Cookie field without the gateway's own cookies.
 * @returns the other cookies as they were, or undefined when none is left
 */
export function foreignCookies(value: string): string | undefined {
  if (!value.toLowerCase().includes('cardea')) return value
  const kept = value.split(';').filter((cookie) => !namesOwnCookie(cookie))
  return kept.length === 0 ? undefined : kept.join(';').trim()
}

/**
 * A text as one field value (RFC 9110 section 5.5): percent-encoded where it is not visible ASCII.
 * `%` itself is encoded, so that decoding gives the text again.
 */
export function fieldValue(text: string): string {
  return isVisible(text) ? text : encodeURIComponent(text.toWellFormed())
}

/** Members of a response that the gateway makes or that it decides about. */
export interface ResponseContext {
  route: CompiledRoute
  statusCode: number
  requestId: string
  /** Whether an access token was needed: then no cache may keep what has no cache fields of its own (RFC 9111). */
  authenticated: boolean
  /** Whether the access token was in a cookie, and no Authorization field came. */
  byCookie: boolean
  /** The gateway's own CORS decision, where it made one; it stands in the place of the service's. */
  allowOrigin: string | undefined
}

/** Fields of a service's response. */
export interface ReceivedFields {
  /** Names in lower case and values in turn. */
  fields: readonly string[]
  /** The Connection fields, joined. */
  connection: string | undefined
}

/**
 * The header fields to send to the client.
 * @returns names and values in turn
 */
export function responseFields(received: ReceivedFields, context: ResponseContext): string[] {
  const nominated = nominatedBy(received.connection)
  const fields: string[] = []
  let contentLength: string | undefined
  let cacheable = false
  let isShared = false
  for (let i = 0; i + 1 < received.fields.length; i += 2) {
    const name = received.fields[i] ?? ''
    const result = checkResponseField(name)
    if (result !== 'pass' && (result === 'drop' || !context.route.allowedResponseFields.has(name))) continue
    if (nominated.size > 0 && nominated.has(name) && name !== 'content-length') continue
    if (name === 'cache-control' || name === 'expires') {
      cacheable = true
      isShared ||= context.byCookie && sharing.test(received.fields[i + 1] ?? '')
    }
    const value = responseValue(name, received.fields[i + 1] ?? '', context)
    if (name === 'content-length') contentLength = value
    else if (value !== undefined) fields.push(name, value)
  }
  // The last of them: Node encodes a Content-Disposition anew that it finds behind a length.
  if (contentLength !== undefined) fields.push('content-length', contentLength)
  if (context.authenticated && !cacheable) {
    fields.push('cache-control', 'private, no-store', 'vary', 'Authorization, Cookie')
  }
  // RFC 9111 section 3.5 keeps shared caches from what was asked with Authorization, and from nothing else. And the browser's own
  // cache would show one person's answer to the next one who signs in there; a service cannot know that this was told by a cookie.
  if (context.byCookie && cacheable && !isShared) fields.push('cache-control', 'private', 'vary', 'Cookie')
  if (context.allowOrigin !== undefined) pushCors(fields, context.allowOrigin)
  // Beside the service's own policies: a browser obeys all of them.
  if (context.route.sandbox) fields.push('content-security-policy', sandboxPolicy)
  fields.push('via', '1.1 cardea', 'x-request-id', context.requestId)
  return fields
}

// Everything but `allow-same-origin`, which would give the page the gateway's origin back, and what leads out of the sandbox.
const sandboxPolicy =
  'sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads allow-pointer-lock allow-presentation'

// What a service says of a response that is for everybody, whoever asked (RFC 9111 section 3.5).
const sharing = /\b(?:public|s-maxage)\b/i

/**
 * Where a client would find what a service calls by its own address.
 * @returns the location as a path of the route when it names the service's origin or lies under the replaced prefix;
 * anything else unchanged: a redirect elsewhere is the service's to give
 */
export function publicLocation(location: string, route: CompiledRoute): string {
  const path = pathAtOwnOrigin(location, route.ownOrigins)
  if (route.forwardedPrefix === undefined) return path
  const { replacement, forwardedPrefix } = route
  const prefix = forwardedPrefix === '/' ? '' : forwardedPrefix
  if (!path.startsWith('/') || namesHost(path) || !path.startsWith(replacement)) return path
  const rest = path.slice(replacement.length)
  return rest === '' || '/?#'.includes(rest.charAt(0)) ? hereOnly(prefix + rest || '/') : path
}

// To browsers `\` is a slash and tabs are nothing, so that a path of the service may name a host once its front is cut off.
const hostAfterSlash = /^\/\t*[/\\]/

function namesHost(path: string): boolean {
  return hostAfterSlash.test(path)
}

// What was a path at the service stays a path: `/.` in front of it changes nothing else.
function hereOnly(path: string): string {
  return namesHost(path) ? `/.${path}` : path
}

const ownCookie = /__(?:host|secure)-cardea/i

// Anywhere in the pair: some services split at commas or take quoted names. Losing a stranger's cookie harms nobody.
function namesOwnCookie(cookie: string): boolean {
  return ownCookie.test(cookie)
}

function pushCookies(fields: string[], name: string, value: string): void {
  const kept = foreignCookies(value)
  if (kept !== undefined) fields.push(name, kept)
}

function pushOrigin(fields: string[], route: CompiledRoute, origin: Origin): void {
  fields.push(
    'via',
    origin.httpVersionMinor === 0 ? '1.0 cardea' : '1.1 cardea',
    'x-forwarded-for',
    origin.addresses.length === 1 ? (origin.addresses[0] ?? 'unknown') : origin.addresses.join(', '),
    'x-forwarded-proto',
    origin.protocol,
    'x-forwarded-host',
    origin.forwardedHost,
    'x-request-id',
    origin.requestId,
  )
  if (route.forwardedPrefix !== undefined) fields.push('x-forwarded-prefix', route.forwardedPrefix)
}

// Those of a token's claims are the same at each of its requests.
const identities = new WeakMap<Identity, readonly string[]>()

function identityFields(identity: Identity): readonly string[] {
  const known = identities.get(identity)
  if (known !== undefined) return known
  const fields = makeIdentityFields(identity)
  identities.set(identity, fields)
  return fields
}

function makeIdentityFields({ sub, sid, roles, scope }: Identity): string[] {
  return [
    'x-auth-subject',
    fieldValue(sub),
    'x-auth-session',
    fieldValue(sid),
    'x-auth-roles',
    roles.map(listedValue).join(','),
    'x-auth-scope',
    scope.split(' ').map(fieldValue).join(' '),
  ]
}

// One member of a comma separated list.
function listedValue(text: string): string {
  return text.includes(',') ? encodeURIComponent(text.toWellFormed()) : fieldValue(text)
}

function isVisible(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x25) return false
  }
  return true
}

function responseValue(
  name: string,
  value: string,
  { route, statusCode, allowOrigin }: ResponseContext,
): string | undefined {
  switch (name) {
    case 'set-cookie':
      return setsOwnCookie(value) ? undefined : value
    case 'location':
    case 'content-location':
      return publicLocation(value, route)
    case 'content-length':
      // RFC 9110 section 8.6: a server MUST NOT send Content-Length with 204.
      return statusCode === 204 ? undefined : value
    case 'access-control-allow-origin':
    case 'access-control-allow-credentials':
      return allowOrigin === undefined ? value : undefined
    default:
      return value
  }
}

// A nameless cookie (`=__Host-x=…`) is sent back by browsers as if it had that name, so leading `=` and blanks are skipped.
function setsOwnCookie(value: string): boolean {
  return /^[\s=]*__(?:host|secure)-cardea/i.test(value)
}

function pushCors(fields: string[], allowOrigin: string): void {
  fields.push('access-control-allow-origin', allowOrigin, 'access-control-allow-credentials', 'true', 'vary', 'Origin')
  // Beside those that the service names.
  fields.push('access-control-expose-headers', exposedFields)
}

function pathAtOwnOrigin(location: string, ownOrigins: readonly string[]): string {
  // Most locations are paths already.
  if (location.charCodeAt(0) === 0x2f && location.charCodeAt(1) !== 0x2f) return location
  const lower = location.toLowerCase()
  for (const origin of ownOrigins) {
    if (!lower.startsWith(origin)) continue
    const rest = location.slice(origin.length)
    if (rest === '') return '/'
    if (rest.charCodeAt(0) === 0x2f) return hereOnly(rest)
    if (rest.charCodeAt(0) === 0x3f || rest.charCodeAt(0) === 0x23) return `/${rest}`
  }
  return location
}
