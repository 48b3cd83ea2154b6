// One route of the config file in the form in which it is used at run time, where every constant is ready. A compiled route
// never takes a host from a client.
import type { AuthorizeOptions } from '../../authenticate.ts'
import { isCanonicalPrefix } from '../../http-edge/request-target.ts'
import type { Continuable } from '../headers/continued.ts'
import { checkResponseField } from '../headers/names.ts'
import { readTls, type TlsConfig, violationOfTls } from '../upstream/tls-files.ts'
import { CallerShares } from './caller-shares.ts'
import { basesOf, type Instance, instanceOf, isUsable, spellingsOf } from './instance.ts'
import { RouteMeter } from './meter.ts'
import { type MethodPolicies, policiesOf } from './policies.ts'
import type { RouteConfig } from './schema.ts'
import { ejectionOf, type HealthConfig, healthOf, msOf, rateLimitOf } from './timing.ts'

export type { TlsConfig } from '../upstream/tls-files.ts'
export type { Instance } from './instance.ts'
export { type ForwardedMethod, forwardedMethods } from './methods.ts'
export type { PolicyConfig } from './policy-schema.ts'
export {
  type RouteConfig,
  routeDefaultsSchema,
  routeSchema,
  type WrittenRoute,
  writtenRouteSchema,
} from './schema.ts'

/** What the gateway keeps for itself; no route may claim it, and no route that covers it is asked about it. */
export const reservedPrefixes = [
  '/auth',
  '/admin',
  '/ops',
  '/docs',
  '/metrics',
  '/livez',
  '/readyz',
  '/.well-known',
] as const

export interface CompiledRoute {
  prefix: string
  meter: RouteMeter
  /** Length of what is cut off a target: the prefix, or nothing for `/`. */
  cutLength: number
  /** What is put in its place, when the path changes. */
  replacement: string
  /** The `x-forwarded-prefix` field, when the path changes. */
  forwardedPrefix: string | undefined
  instances: Instance[]
  /** Origins, in lower case and in each spelling of the port, that a Location must not show. */
  ownOrigins: string[]
  /** Round robin: the instance that is next. */
  next: number
  policies: MethodPolicies
  /** Which access tokens count here, and where they may come from. */
  credential: AuthorizeOptions
  connectMs: number
  /** The greatest age of a kept connection. */
  maxConnectionAgeMs: number
  headersMs: number
  bodyIdleMs: number
  bodyLimitBytes: number
  /** Of the heads and trailers of one response. */
  responseHeadBytes: number
  /** Bytes a second that a client sends of a body at the least, on average; 0 for any. */
  minBodyRate: number
  maxConcurrent: number
  maxStreams: number
  /** How much of both a caller may hold; 0 to 1. */
  callerShare: number
  shares: CallerShares
  balance: NonNullable<RouteConfig['balance']>
  retries: number
  ejection: { failures: number; firstMs: number; maxMs: number }
  health: HealthConfig | undefined
  tls: TlsConfig | undefined
  forwardAuthorization: boolean
  identityHeaders: boolean
  /** Names in lower case of response fields that are withheld elsewhere. */
  allowedResponseFields: ReadonlySet<string>
  /** Scripts of service workers may be fetched here. */
  serviceWorker: boolean
  /** Pages run in an origin of their own. */
  sandbox: boolean
  /** An open response ends when its access token expires. */
  cutsAtExpiry: boolean
  rateLimit: { max: number; windowSeconds: number } | undefined
  websocket: boolean
  /** `%2F` in a path goes on as it came. */
  encodedSlashes: 'refuse' | 'pass'
  /** Whose Host the service gets. */
  host: 'instance' | 'pass'
  /** What becomes of the Domain of its cookies. */
  cookieDomain: 'keep' | 'drop'
  /** Fields of a trusted proxy that go on. */
  continues: readonly Continuable[]
  websocketIdleMs: number
  eventStreamIdleMs: number
  assertion: { audience: string; ttlSeconds: number } | undefined
  openapi: DocumentConfig | undefined
}

/** Where a route's document is, and how far it is trusted. */
export type DocumentConfig = Required<Omit<WrittenDocument, 'base'>> & Pick<WrittenDocument, 'base'>
type WrittenDocument = Exclude<NonNullable<RouteConfig['openapi']>, string>

/**
 * Makes routes ready for use.
 * @param configs entries that passed `routeSchema`
 * @throws Error naming every entry that no schema can check: a prefix given twice, reserved or not canonical, bases that differ
 */
export function compileRoutes(configs: readonly RouteConfig[]): CompiledRoute[] {
  const violations = routeViolations(configs)
  if (violations.length > 0) throw new Error(violations.map(({ message }) => message).join('\n'))
  return configs.map(compileRoute)
}

/** What is wrong with routes beyond their schema: the place, as a JSON pointer into `routes`, and a sentence. */
export function routeViolations(configs: readonly RouteConfig[]): { path: string; message: string }[] {
  const seen = new Map<string, string>()
  const violations: { path: string; message: string }[] = []
  for (const [index, { prefix, rewrite, upstream, tls, responseHeaders }] of configs.entries()) {
    const say = (member: string, message: string) => violations.push({ path: `/${index}/${member}`, message })
    if (!isCanonicalPrefix(prefix)) say('prefix', `The prefix ${prefix} is not canonical: no dot segments, no escapes.`)
    if (rewrite !== undefined && !isCanonicalPrefix(rewrite)) say('rewrite', `The rewrite ${rewrite} is not canonical.`)
    const like = seen.get(prefix.toLowerCase())
    if (like === prefix) say('prefix', `The prefix ${prefix} is there twice; give its instances as a list.`)
    else if (like !== undefined) say('prefix', `The prefix ${prefix} differs from ${like} in capital letters only.`)
    if (isReserved(prefix)) say('prefix', `The prefix ${prefix} is the gateway’s own; choose another.`)
    if (basesOf(upstream).size > 1) say('upstream', `The instances of ${prefix} have different base paths.`)
    for (const text of [upstream].flat()) {
      if (!isUsable(text)) {
        say(
          'upstream',
          `${text} is not http(s)://host[:port][/base] with a port of 1 to 65535, nor unix:/path/of/socket.`,
        )
      }
    }
    for (const name of responseHeaders?.allow ?? []) {
      const result = checkResponseField(name.toLowerCase())
      if (result === 'pass') say('responseHeaders', `${name} passes anyway: take it out.`)
      if (result === 'drop') say('responseHeaders', `${name} is the gateway’s own or the connection’s: it cannot pass.`)
    }
    const tlsViolation = tls && violationOfTls(tls, upstream)
    if (tlsViolation !== undefined) say('tls', tlsViolation)
    seen.set(prefix.toLowerCase(), prefix)
  }
  return violations
}

/**
 * Whether a path belongs to the gateway, so that a route for `/` must not answer it.
 * @param target origin-form target or a prefix
 */
export function isReserved(target: string): boolean {
  return reservedPrefixes.some((prefix) => coversTarget(prefix, target))
}

/** Whether a prefix covers a target by whole segments; both raw. */
export function coversTarget(prefix: string, target: string): boolean {
  if (prefix === '/') return true
  if (!target.startsWith(prefix)) return false
  if (target.length === prefix.length) return true
  const next = target.charCodeAt(prefix.length)
  return next === 0x2f || next === 0x3f
}

/**
 * The route that covers a target: the longest prefix, as the router finds it.
 * @param target origin-form, canonical
 * @returns undefined when none does, or when the target is the gateway's own
 */
export function coveringRoute(routes: readonly CompiledRoute[], target: string): CompiledRoute | undefined {
  if (isReserved(target)) return undefined
  let longest: CompiledRoute | undefined
  for (const route of routes) {
    if (!coversTarget(route.prefix, target)) continue
    if (longest === undefined || route.prefix.length > longest.prefix.length) longest = route
  }
  return longest
}

/** The target to send: the matched one, byte for byte, with the prefix replaced where the route says so. */
export function upstreamTarget(route: CompiledRoute, target: string): string {
  if (route.forwardedPrefix === undefined) return target
  const rest = target.slice(route.cutLength)
  if (route.replacement === '') return rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`
  return route.replacement + rest
}

function compileRoute(config: RouteConfig): CompiledRoute {
  const { prefix, policy = 'authenticated', methods = {}, timeouts = {} } = config
  const instances = [config.upstream].flat().map(instanceOf)
  const cut = prefix === '/' ? '' : prefix
  const rewritten = config.rewrite === '/' ? '' : (config.rewrite ?? cut)
  const replacement = (instances[0]?.base ?? '') + rewritten
  return {
    prefix,
    meter: new RouteMeter(prefix),
    cutLength: cut.length,
    replacement,
    forwardedPrefix: replacement === cut ? undefined : prefix,
    instances,
    ownOrigins: [...instances.map(({ origin }) => origin), ...(config.ownOrigins ?? [])].flatMap(spellingsOf),
    next: 0,
    policies: policiesOf(policy, methods),
    credential: { audience: config.audience, accessCookie: config.accessCookie ?? false },
    connectMs: msOf(timeouts.connect, 2000),
    maxConnectionAgeMs: msOf(config.maxConnectionAge, 300_000),
    headersMs: msOf(timeouts.headers, 30_000),
    bodyIdleMs: msOf(timeouts.bodyIdle, 30_000),
    bodyLimitBytes: config.bodyLimitBytes ?? 10_485_760,
    responseHeadBytes: config.responseHeadBytes ?? 32_768,
    minBodyRate: config.minBodyRate ?? 500,
    maxConcurrent: config.maxConcurrent ?? 256,
    maxStreams: config.maxStreams ?? 1024,
    callerShare: config.callerShare ?? 0.25,
    shares: new CallerShares(),
    balance: config.balance ?? 'round-robin',
    retries: config.retries ?? 1,
    ejection: ejectionOf(config.ejection),
    health: config.health && healthOf(config.health),
    tls: config.tls && readTls(config.tls),
    forwardAuthorization: config.forwardAuthorization ?? false,
    identityHeaders: config.identityHeaders ?? true,
    allowedResponseFields: new Set(config.responseHeaders?.allow.map((name) => name.toLowerCase())),
    serviceWorker: config.serviceWorker ?? false,
    sandbox: config.sandbox ?? false,
    cutsAtExpiry: config.onExpiry === 'cut',
    rateLimit: rateLimitOf(config.rateLimit),
    websocket: config.websocket ?? false,
    encodedSlashes: config.encodedSlashes ?? 'refuse',
    host: config.host ?? 'instance',
    cookieDomain: config.cookieDomain ?? 'keep',
    continues: config.continues ?? [],
    websocketIdleMs: msOf(timeouts.websocketIdle, 300_000),
    eventStreamIdleMs: msOf(timeouts.eventStreamIdle, 300_000),
    assertion: config.assertion && {
      audience: config.assertion.audience,
      ttlSeconds: msOf(config.assertion.ttl, 60_000) / 1000,
    },
    openapi: config.openapi === undefined ? undefined : documentConfigOf(config.openapi),
  }
}

function documentConfigOf(openapi: NonNullable<RouteConfig['openapi']>): DocumentConfig {
  const written = typeof openapi === 'string' ? { document: openapi } : openapi
  const defaults = { maxFiles: 200, policies: 'config', undeclaredQuery: 'refuse', commas: 'either' } as const
  return { ...defaults, bodyLimitBytes: 1_048_576, ...written }
}
