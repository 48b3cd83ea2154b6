// One route of the config file: its schema, and the form in which it is used at run time, where every constant is ready.
// Called by the config loader (the schema) and by src/routes/upstreams.ts. A compiled route never takes a host from a client.
import Type, { type Static } from 'typebox'
import { isCanonicalPrefix } from '../request-target.ts'

/** Methods that can be forwarded; a route answers each, under its policy. */
export const forwardedMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type ForwardedMethod = (typeof forwardedMethods)[number]

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

const nameSchema = Type.String({ minLength: 1, maxLength: 128, pattern: '^[!#-\\[\\]-~]+$' })

const policySchema = Type.Union(
  [
    Type.Literal('public'),
    Type.Literal('authenticated'),
    Type.Object(
      {
        roles: Type.Optional(
          Type.Array(nameSchema, {
            minItems: 1,
            maxItems: 50,
            description: 'The caller needs any one of these roles.',
          }),
        ),
        scopes: Type.Optional(
          Type.Array(nameSchema, { minItems: 1, maxItems: 50, description: 'The token needs all of these scopes.' }),
        ),
      },
      { additionalProperties: false, minProperties: 1 },
    ),
  ],
  { description: 'What the route demands: public, authenticated, { roles: […] } or { scopes: […] }.' },
)

export type PolicyConfig = Static<typeof policySchema>

const upstreamSchema = Type.String({
  minLength: 8,
  maxLength: 512,
  // Scheme, host (name, IPv4 or [IPv6]), port, and a base path of unreserved characters: nothing that needs a parser.
  pattern: '^https?://(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?$',
  description: 'http(s)://host[:port][/base]',
})

const prefixPattern = '^/$|^(?:/[A-Za-z0-9._~-]+)+$'
const dayMs = 86_400_000

const milliseconds = (description: string, standard: number) =>
  Type.Integer({ minimum: 1, maximum: dayMs, description: `${description} Milliseconds; default ${standard}.` })

/** One entry of `routes` in the config file. Unknown members are mistakes. */
export const routeSchema = Type.Object(
  {
    prefix: Type.String({
      maxLength: 256,
      pattern: prefixPattern,
      description: 'Path prefix by whole segments, canonical, without a slash at the end. The longest wins.',
    }),
    upstream: Type.Union([upstreamSchema, Type.Array(upstreamSchema, { minItems: 1, maxItems: 64 })], {
      description: 'The service, or a list of its instances, taken in turn.',
    }),
    rewrite: Type.Optional(
      Type.String({ maxLength: 256, pattern: prefixPattern, description: 'Sent in the place of the prefix.' }),
    ),
    policy: Type.Optional(policySchema),
    methods: Type.Optional(
      Type.Object(
        {
          GET: Type.Optional(policySchema),
          HEAD: Type.Optional(policySchema),
          POST: Type.Optional(policySchema),
          PUT: Type.Optional(policySchema),
          PATCH: Type.Optional(policySchema),
          DELETE: Type.Optional(policySchema),
          OPTIONS: Type.Optional(policySchema),
        },
        { additionalProperties: false, description: 'A policy for single methods; beats `policy`.' },
      ),
    ),
    audience: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: 'The audience that access tokens must name.' }),
    ),
    timeouts: Type.Optional(
      Type.Object(
        {
          connectMs: Type.Optional(milliseconds('To connect; then 502.', 2000)),
          headersMs: Type.Optional(milliseconds('From the last byte sent to the answer’s first; then 504.', 30_000)),
          bodyIdleMs: Type.Optional(
            milliseconds('Without a byte in a body, either way; then the message is cut.', 30_000),
          ),
        },
        { additionalProperties: false },
      ),
    ),
    bodyLimitBytes: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 2 ** 40, description: 'Of a request body; then 413. Default 10 MiB.' }),
    ),
    maxConcurrent: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        description: 'Requests at once to one instance; then 503. Default 256.',
      }),
    ),
    forwardAuthorization: Type.Optional(
      Type.Boolean({ description: 'Whether the service gets the client’s Authorization field. Default false.' }),
    ),
    identityHeaders: Type.Optional(
      Type.Boolean({ description: 'Whether the service gets the x-auth-* fields. Default true.' }),
    ),
  },
  { additionalProperties: false },
)

export type RouteConfig = Static<typeof routeSchema>

/** An instance of a service, taken apart once: nothing of a request ever becomes a part of its origin. */
export interface Instance {
  /** `scheme://host[:port]`, as undici wants it. */
  origin: string
  /** The Host field it is sent (RFC 9110 section 7.2). */
  host: string
  /** Path under which the service lives; `''` or `/base`. */
  base: string
  /** Requests that are with it now. */
  active: number
}

export interface CompiledRoute {
  prefix: string
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
  policies: Record<ForwardedMethod, PolicyConfig>
  audience: { audience?: string }
  connectMs: number
  headersMs: number
  bodyIdleMs: number
  bodyLimitBytes: number
  maxConcurrent: number
  forwardAuthorization: boolean
  identityHeaders: boolean
}

/**
 * Makes routes ready for use.
 * @param configs entries that passed `routeSchema`
 * @throws Error naming every entry that no schema can judge: a prefix given twice, reserved or not canonical, bases that differ
 */
export function compileRoutes(configs: readonly RouteConfig[]): CompiledRoute[] {
  const mistakes = routeMistakes(configs)
  if (mistakes.length > 0) throw new Error(mistakes.map(({ message }) => message).join('\n'))
  return configs.map(compileRoute)
}

/** What is wrong with routes beyond their schema: the place, as a JSON pointer into `routes`, and a sentence. */
export function routeMistakes(configs: readonly RouteConfig[]): { path: string; message: string }[] {
  const seen = new Set<string>()
  const mistakes: { path: string; message: string }[] = []
  for (const [index, { prefix, rewrite, upstream }] of configs.entries()) {
    const say = (member: string, message: string) => mistakes.push({ path: `/${index}/${member}`, message })
    if (!isCanonicalPrefix(prefix)) say('prefix', `The prefix ${prefix} is not canonical: no dot segments, no escapes.`)
    if (rewrite !== undefined && !isCanonicalPrefix(rewrite)) say('rewrite', `The rewrite ${rewrite} is not canonical.`)
    if (seen.has(prefix)) say('prefix', `The prefix ${prefix} is there twice; give its instances as a list.`)
    if (isReserved(prefix)) say('prefix', `The prefix ${prefix} is the gateway’s own; choose another.`)
    if (basesOf(upstream).size > 1) say('upstream', `The instances of ${prefix} have different base paths.`)
    for (const text of [upstream].flat()) {
      if (!isUsable(text)) say('upstream', `${text} is not http(s)://host[:port][/base] with a port of 1 to 65535.`)
    }
    seen.add(prefix)
  }
  return mistakes
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
    cutLength: cut.length,
    replacement,
    forwardedPrefix: replacement === cut ? undefined : prefix,
    instances,
    ownOrigins: instances.flatMap(({ origin }) => spellingsOf(origin)),
    next: 0,
    policies: policiesOf(policy, methods),
    audience: config.audience === undefined ? {} : { audience: config.audience },
    connectMs: timeouts.connectMs ?? 2000,
    headersMs: timeouts.headersMs ?? 30_000,
    bodyIdleMs: timeouts.bodyIdleMs ?? 30_000,
    bodyLimitBytes: config.bodyLimitBytes ?? 10_485_760,
    maxConcurrent: config.maxConcurrent ?? 256,
    forwardAuthorization: config.forwardAuthorization ?? false,
    identityHeaders: config.identityHeaders ?? true,
  }
}

function policiesOf(policy: PolicyConfig, methods: NonNullable<RouteConfig['methods']>): CompiledRoute['policies'] {
  const { GET = policy, POST = policy, PUT = policy, PATCH = policy, DELETE = policy, OPTIONS = policy } = methods
  // HEAD asks for what GET gives, so it follows GET unless it is named.
  return { GET, HEAD: methods.HEAD ?? GET, POST, PUT, PATCH, DELETE, OPTIONS }
}

function instanceOf(upstream: string): Instance {
  const pathStart = upstream.indexOf('/', upstream.indexOf('://') + 3)
  const origin = (pathStart === -1 ? upstream : upstream.slice(0, pathStart)).toLowerCase()
  const base = pathStart === -1 ? '' : upstream.slice(pathStart).replace(/\/$/, '')
  return { origin, host: origin.slice(origin.indexOf('://') + 3), base, active: 0 }
}

function basesOf(upstream: string | string[]): Set<string> {
  return new Set([upstream].flat().map((text) => instanceOf(text).base))
}

function isUsable(upstream: string): boolean {
  const { base } = instanceOf(upstream)
  return URL.canParse(upstream) && new URL(upstream).port !== '0' && (base === '' || isCanonicalPrefix(base))
}

// With and without the port that the scheme implies, and relative to the scheme.
function spellingsOf(origin: string): string[] {
  const port = origin.startsWith('https:') ? ':443' : ':80'
  const named = /:\d+$/.test(origin)
  const spellings = [origin]
  if (!named) spellings.push(origin + port)
  else if (origin.endsWith(port)) spellings.push(origin.slice(0, -port.length))
  return spellings.flatMap((spelling) => [spelling, spelling.slice(spelling.indexOf('//'))])
}
