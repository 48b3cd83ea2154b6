// One route of the config file as it is written: its schema, which editors read too (docs/cardea.config.schema.json). A
// member without a description is not finished.
import Type, { type Static } from 'typebox'
import { parseRate, ratePattern } from '../../clocks/durations.ts'
import { tlsSchema } from '../upstream/tls-schema.ts'
import { openapiSchema } from './openapi-schema.ts'
import { pageMembers } from './page-schema.ts'
import { passingMembers } from './passing-schema.ts'
import { methodsSchema, type PolicyConfig, policySchema } from './policy-schema.ts'
import { duration, ejectionSchema, healthSchema } from './timing-schema.ts'

const upstreamSchema = Type.String({
  minLength: 8,
  maxLength: 512,
  // Scheme, host (name, IPv4 or [IPv6]), port, and a base path of unreserved characters: nothing that needs a parser. The system
  // takes 107 bytes as the path of a socket (unix(7)).
  pattern:
    '^https?://(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?$|^unix:/[A-Za-z0-9._~/-]{1,106}$',
  examples: ['http://127.0.0.1:4000'],
  description: 'http(s)://host[:port][/base], or unix:/path/of/socket',
})

const prefixPattern = '^/$|^(?:/[A-Za-z0-9._~-]+)+$'

const rateLimitSchema = Type.Refine(
  Type.String({
    pattern: ratePattern,
    examples: ['100/1m'],
    description:
      'Requests of one caller in a window of whole seconds from 1s to 1d, such as 100/1m; beyond it 429. The caller is the ' +
      'subject of the access token; without one the address, of IPv6 the /64. Counted over all nodes; while Redis is away, ' +
      'by each node for itself.',
  }),
  (text) => {
    const windowMs = parseRate(text)?.windowMs ?? 0
    return windowMs >= 1000 && windowMs <= 86_400_000 && windowMs % 1000 === 0
  },
  () => 'A window of whole seconds from 1s to 1d.',
)

const assertionSchema = Type.Object(
  {
    audience: Type.String({ minLength: 1, maxLength: 512, description: '`aud` of the assertion: this service.' }),
    ttl: Type.Optional(
      duration('How long one lives, in whole seconds; never longer than the access token.', {
        standard: '60s',
        minMs: 5000,
        maxMs: 3_600_000,
        stepMs: 1000,
      }),
    ),
  },
  {
    additionalProperties: false,
    description:
      'Whether the service gets `x-auth-assertion`: who is calling, as a JWT (typ `assertion+jwt`) to be verified with our JWKS.',
  },
)

/** One entry of `routes` in the config file. Unknown members are mistakes. */
export const routeSchema = Type.Object(
  {
    prefix: Type.String({
      maxLength: 256,
      pattern: prefixPattern,
      examples: ['/orders'],
      description: 'Path prefix by whole segments, canonical, without a slash at the end. The longest wins.',
    }),
    upstream: Type.Union([upstreamSchema, Type.Array(upstreamSchema, { minItems: 1, maxItems: 64 })], {
      description: 'The service, or a list of its instances, taken in turn. All addresses of a name are used.',
    }),
    rewrite: Type.Optional(
      Type.String({ maxLength: 256, pattern: prefixPattern, description: 'What is sent in the place of the prefix.' }),
    ),
    ...passingMembers,
    policy: Type.Optional(Type.Unsafe<PolicyConfig>({ ...policySchema, default: 'authenticated' })),
    methods: Type.Optional(methodsSchema),
    audience: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: 'The audience that access tokens must name.' }),
    ),
    timeouts: Type.Optional(
      Type.Object(
        {
          connect: Type.Optional(
            duration('How long connecting to the service may take; then 502.', { standard: '2s' }),
          ),
          headers: Type.Optional(
            duration('From the last byte sent to the first byte of the response; then 504.', { standard: '30s' }),
          ),
          bodyIdle: Type.Optional(
            duration('How long a body may pause, in either direction; then the message is cut.', { standard: '30s' }),
          ),
          eventStreamIdle: Type.Optional(
            duration('How long a stream of events (`text/event-stream`) may be silent; then it is cut.', {
              standard: '5m',
            }),
          ),
          websocketIdle: Type.Optional(
            duration('How long a WebSocket may be silent in both directions; then it is cut.', { standard: '5m' }),
          ),
        },
        { additionalProperties: false, description: 'How long the parts of a forwarded request may take.' },
      ),
    ),
    bodyLimitBytes: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 40,
        default: 10_485_760,
        description: 'Largest request body; then 413.',
      }),
    ),
    responseHeadBytes: Type.Optional(
      Type.Integer({
        minimum: 1024,
        maximum: 2 ** 20,
        default: 32_768,
        description: 'What a response may have as head and trailers, interim responses included; then 502.',
      }),
    ),
    maxConcurrent: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        default: 256,
        description: 'Requests at once to one instance, streams apart; then 503.',
      }),
    ),
    maxStreams: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        default: 1024,
        description: 'WebSockets and event streams at once to one instance; then 503.',
      }),
    ),
    callerShare: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        default: 0.25,
        description:
          'How much of maxConcurrent and of maxStreams one caller may hold, over all instances; then 503. The caller is the ' +
          'subject of the access token; without one the address, of IPv6 the /64. Two at least.',
      }),
    ),
    minBodyRate: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2 ** 30,
        default: 500,
        description:
          'Bytes a second that a client sends of a body at the least, on average and after a first `bodyIdle`; while the ' +
          'service holds it back no time counts. Then 408. 0 takes any.',
      }),
    ),
    maxConnectionAge: Type.Optional(
      duration(
        'How old a kept connection to the service may be: then a change of its addresses has moved all requests.',
        {
          standard: '5m',
        },
      ),
    ),
    balance: Type.Optional(
      Type.Enum(['round-robin', 'least-pending'], {
        type: 'string',
        default: 'round-robin',
        description: 'Which instance is next: each in turn, or the one with the fewest requests under way.',
      }),
    ),
    retries: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 5,
        default: 1,
        description: 'Further instances that are tried, for idempotent requests of which no body was sent.',
      }),
    ),
    ejection: Type.Optional(ejectionSchema),
    health: Type.Optional(healthSchema),
    tls: Type.Optional(tlsSchema),
    assertion: Type.Optional(assertionSchema),
    openapi: Type.Optional(openapiSchema),
    onExpiry: Type.Optional(
      Type.Enum(['keep', 'cut'], {
        type: 'string',
        default: 'keep',
        description: 'What becomes of an open response or connection when its access token expires.',
      }),
    ),
    rateLimit: Type.Optional(rateLimitSchema),
    websocket: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Whether WebSockets are let in, under the same policy, from our own and allowed origins. Each is one stream of its ' +
          'instance while it is open.',
      }),
    ),
    forwardAuthorization: Type.Optional(
      Type.Boolean({ default: false, description: 'Whether the service gets the client’s Authorization field.' }),
    ),
    ...pageMembers,
  },
  { additionalProperties: false },
)

export type RouteConfig = Static<typeof routeSchema>

/** What routes can share: `defaults` in the config file. */
// What one service is called or says of itself cannot hold for others.
export const routeDefaultsSchema = Type.Omit(routeSchema, ['prefix', 'upstream', 'rewrite', 'ownOrigins', 'openapi'], {
  additionalProperties: false,
  description:
    'Members of a route that every route has which does not name them itself. A member of a route wins whole: `timeouts` ' +
    'of a route takes the place of all `timeouts` here.',
})

const sharedMember = Type.Enum(Object.keys(routeDefaultsSchema.properties), {
  type: 'string',
  description: 'The name of an option that `defaults` can have.',
})

const withoutSchema = Type.Array(sharedMember, {
  maxItems: 100,
  description:
    'Members of `defaults` that this route goes without: it is as if nobody had named them. What it names itself it has.',
})

/** A route as it is written in the config file, beside `defaults`. */
export const writtenRouteSchema = Type.Object(
  { ...routeSchema.properties, without: Type.Optional(withoutSchema) },
  { additionalProperties: false },
)

export type WrittenRoute = Static<typeof writtenRouteSchema>
