// The header fields that go to a service: built anew in one pass over what was received. Pure. A
// field of the gateway's own is added after the client's were checked, so that no client can write, repeat or remove it.
// Nothing here reads a request.

import type { CompiledRoute } from '../route/compile.ts'
import type { Continued } from './continued.ts'
import { checkRequestField, nominatedBy } from './names.ts'

/** Who the caller is, as a verified access token says. */
export interface Identity {
  sub: string
  sid: string
  roles: readonly string[]
  scope: string
}

/** What the gateway itself knows about a request and tells the service. */
export interface Origin {
  /** The Host field: of the instance, or the client's. */
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
  /** What a trusted proxy said that is to go on. */
  continued?: Continued | undefined
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

const ownCookie = /__(?:host|secure)-cardea/i

// Anywhere in the pair: some services split at commas or take quoted names. Losing a stranger's cookie harms nobody.
function namesOwnCookie(cookie: string): boolean {
  return ownCookie.test(cookie)
}

function pushCookies(fields: string[], name: string, value: string): void {
  const kept = foreignCookies(value)
  if (kept !== undefined) fields.push(name, kept)
}

function pushOrigin(fields: string[], { forwardedPrefix }: CompiledRoute, origin: Origin): void {
  const { continued } = origin
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
    continued?.['x-request-id'] ?? origin.requestId,
  )
  const outer = continued?.['x-forwarded-prefix']
  if (outer !== undefined)
    fields.push('x-forwarded-prefix', outer + (forwardedPrefix === '/' ? '' : (forwardedPrefix ?? '')))
  else if (forwardedPrefix !== undefined) fields.push('x-forwarded-prefix', forwardedPrefix)
  if (continued?.['x-forwarded-port'] !== undefined) fields.push('x-forwarded-port', continued['x-forwarded-port'])
  if (continued?.forwarded !== undefined) fields.push('forwarded', continued.forwarded)
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
