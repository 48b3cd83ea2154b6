// The header fields of a service's response as its client gets them: built anew in one pass over what was received. Pure. A field
// of the gateway's own is added after the service's were checked, so that no service can write, repeat or remove it.
import { exposedFields } from '../../browser/cors.ts'
import type { CompiledRoute } from '../route/compile.ts'
import { checkResponseField, nominatedBy } from './names.ts'
import { publicCookie } from './set-cookie.ts'

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

/**
 * The header fields of an interim response to send to the client: those of the service, by the rules of its responses.
 * @returns names and values in turn
 */
export function interimFields(received: ReceivedFields, route: CompiledRoute): string[] {
  const nominated = nominatedBy(received.connection)
  const context = { route, statusCode: 100, allowOrigin: undefined }
  const fields: string[] = []
  for (let i = 0; i + 1 < received.fields.length; i += 2) {
    const name = received.fields[i] ?? ''
    const isPassed = checkResponseField(name) === 'pass' && name !== 'content-length' && !nominated.has(name)
    const value = isPassed ? responseValue(name, received.fields[i + 1] ?? '', context) : undefined
    if (value !== undefined) fields.push(name, value)
  }
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

function responseValue(
  name: string,
  value: string,
  { route, statusCode, allowOrigin }: Pick<ResponseContext, 'route' | 'statusCode' | 'allowOrigin'>,
): string | undefined {
  switch (name) {
    case 'set-cookie':
      return setsOwnCookie(value) ? undefined : publicCookie(value, route)
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
