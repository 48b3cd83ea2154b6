// GET /auth/verify: forward-auth. Another proxy (nginx, Traefik, Caddy, Envoy) asks here whether it may pass a request on.
// The response comes from the same policies as forwarding itself. What is asked about comes from the proxy; who is asking comes
// from the access token alone, and no field of the question is ever believed about that. Whether it may come in a cookie is said
// by the route that covers the original request, and whose page asks is checked as if that request were here.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import Type from 'typebox'
import { nothing } from '../../plugins/auth-routes/wire/fields.ts'
import type { AuthorizeOptions, Policy } from '../../plugins/authenticate.ts'
import { isReadMethod } from '../../plugins/browser/origin.ts'
import { errorResponses, Problem, problem } from '../../plugins/errors/index.ts'
import { destinationOf, hasDestination } from '../../plugins/forward/destination.ts'
import { type CompiledRoute, identityOf, leaveBody, takeMethods } from '../../plugins/forward/index.ts'
import { checkTarget } from '../../plugins/http-edge/request-target.ts'

/** The request that a proxy asks about. */
interface Original {
  method: string
  /** Origin-form, canonical. */
  target: string
  /** Whether slashes of it are escaped. */
  isSlashed: boolean
}

/** How proxies name the original request, target and method: nginx by convention, Traefik and Caddy by themselves. */
const conventions = [
  ['x-original-uri', 'x-original-method'],
  ['x-forwarded-uri', 'x-forwarded-method'],
] as const

// Its own query counts for nothing: Caddy leaves the original one there.
const path = '/auth/verify'
const field = (description: string) => Type.Optional(Type.String({ description }))

export interface VerifyOptions {
  /** What becomes of a request that no route covers: refused, or passed on with any valid access token. */
  uncovered: 'refuse' | 'authenticated'
  /** Every method that some route takes. */
  methods: readonly string[]
}

const verify: FastifyPluginAsyncTypebox<VerifyOptions> = async (app, options) => {
  app.get(path, {
    config: { anyHost: true },
    schema: {
      operationId: 'verify',
      tags: ['auth'],
      summary: 'Ask whether a request may pass (forward-auth)',
      description:
        'For nginx `auth_request`, Traefik `forwardAuth`, Caddy `forward_auth`: the policy and the audience of the route ' +
        'that covers the original request. Where none does, or no request is named, the response is 403, unless the config ' +
        'says `verify: { uncovered: authenticated }`. The identity is in the fields `x-auth-*`, which are empty where there ' +
        'is nothing to say. Envoy asks at `/auth/verify/<path>`.',
      security: [{ bearer: [] }, ...(app.usesAccessCookie ? [{ accessCookie: [] }] : []), {}],
      headers: Type.Object({
        'x-original-uri': field('Path and query of the original request, as the client sent them (nginx).'),
        'x-original-method': field('Its method. Both or neither.'),
        'x-forwarded-uri': field('The same (Traefik, Caddy).'),
        'x-forwarded-method': field('Both conventions at once must agree.'),
      }),
      response: {
        200: nothing,
        ...errorResponses(
          'invalid_request',
          'unauthenticated',
          'invalid_token',
          'forbidden',
          'insufficient_scope',
          'origin_refused',
          'target_refused',
          'revocation_unknown',
        ),
      },
    },
    handler: (request, reply) => void sendDecision(options.uncovered, request, reply, namedOriginal(options, request)),
  })
  await app.register(envoyStyle, options)
}

export default verify

// Envoy's ext_authz sends the original method and the original path behind a prefix of ours, so nothing of it can be forged
// by a field. What the client's body is does not matter here.
async function envoyStyle(app: FastifyInstance, options: VerifyOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', leaveBody)
  takeMethods(app, options.methods)
  app.route({
    // Boundary: Fastify's type has a list of its own; it refuses what it does not know.
    method: options.methods as HTTPMethods[],
    url: `${path}/*`,
    exposeHeadRoute: false,
    schema: { hide: true },
    config: {
      streamsBody: true,
      anyHost: true,
      encodedSlashes: true,
      cors: { preflightContinue: true, strictPreflight: false },
    },
    onRequest: async ({ raw }) => {
      // Fastify refuses some before it asks any parser.
      delete raw.headers['content-type']
    },
    handler: (request, reply) => void sendDecision(options.uncovered, request, reply, ownOriginal(options, request)),
  })
}

function sendDecision(
  uncovered: VerifyOptions['uncovered'],
  request: FastifyRequest,
  reply: FastifyReply,
  original?: Original,
): FastifyReply {
  const app = request.server
  // The site that the proxy was asked for. With 403, not 421, for nginx's sake.
  if (!app.browserOrigins.hosts.has(request.host)) throw problem('target_refused', { detail: 'original_host' })
  const covered = original && app.policyLookup.of(original.target, original.method)
  const route = covered?.route
  if (original?.isSlashed === true && route?.encodedSlashes !== 'pass') {
    throw problem('target_refused', { detail: 'original_path_escaped_separator' })
  }
  const policies = covered === undefined ? policiesOfUncovered(app, uncovered, original) : covered.policies
  if (policies === undefined) throw problem('target_refused', { detail: 'undeclared_operation' })
  const credential = original && route && { ...route.credential, isRead: isReadMethod(original.method) }
  if (original !== undefined && route !== undefined) checkDestination(original.method, route, request)
  for (const policy of policies) authorize(app, request, policy, credential)
  const { access } = request
  const assertion = access && route?.assertion ? app.assertions.about(access, route.assertion) : ''
  // Empty where there is nothing to say: a proxy that copies them then overwrites what its client sent.
  reply.headers({ ...identityOf((route?.identityHeaders ?? true) ? access : null), 'x-auth-assertion': assertion })
  reply.header('cache-control', 'no-store')
  return reply.send()
}

// The second path of a COPY or MOVE. Whoever asks for one without saying where it leads to cannot be told that it may pass.
function checkDestination(method: string, route: CompiledRoute, { raw, server }: FastifyRequest): void {
  if (!hasDestination(method)) return
  const { policyLookup, browserOrigins } = server
  try {
    const rules = { policyLookup, hosts: browserOrigins.hosts, route }
    if (destinationOf(method, raw.rawHeaders, rules) !== undefined) return
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    throw problem('target_refused', { detail: error.message })
  }
  throw problem('target_refused', { detail: 'destination_missing' })
}

// Nobody has said who may use it. A proxy that matches paths in another way than this gateway ends here as well.
function policiesOfUncovered(
  { policyLookup }: FastifyInstance,
  uncovered: VerifyOptions['uncovered'],
  original: Original | undefined,
): readonly Policy[] {
  if (uncovered === 'refuse') throw problem('target_refused', { detail: 'uncovered' })
  if (original !== undefined && policyLookup.isNearlyCovered(original.target)) {
    throw problem('target_refused', { detail: 'original_path_ambiguous' })
  }
  return ['authenticated']
}

// To nginx anything but 401 and 403 is a failure of ours; of the rest only two cookies of a name are what the client did.
function authorize(app: FastifyInstance, request: FastifyRequest, policy: Policy, credential?: AuthorizeOptions): void {
  try {
    app.authorize(request, policy, credential)
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'invalid_request') throw error
    throw problem('target_refused', { detail: error.message })
  }
}

function namedOriginal(options: VerifyOptions, { headers }: FastifyRequest): Original | undefined {
  const originals = conventions.flatMap(([uri, method]) => readOriginal(options, headers[uri], headers[method]) ?? [])
  const [first, second] = originals
  // A proxy sets one and lets its client's copy of the other through: neither can be believed then.
  const agree = second === undefined || (first?.target === second.target && first.method === second.method)
  if (!agree) throw problem('target_refused', { detail: 'original_contradictory' })
  return first
}

function readOriginal(
  options: VerifyOptions,
  target: string | string[] | undefined,
  method: string | string[] | undefined,
): Original | undefined {
  if (target === undefined && method === undefined) return undefined
  if (typeof target !== 'string' || typeof method !== 'string') {
    throw problem('target_refused', { detail: 'original_incomplete' })
  }
  return checked(options, target, method)
}

function ownOriginal(options: VerifyOptions, { raw, method }: FastifyRequest): Original {
  return checked(options, (raw.url ?? '').slice(path.length), method)
}

// With 403, not 400, for nginx’s sake as well.
function checked({ methods }: VerifyOptions, target: string, method: string): Original {
  if (!target.startsWith('/')) throw problem('target_refused', { detail: 'original_form' })
  const result = checkTarget(target, '')
  if (result.outcome === 'refused') throw problem('target_refused', { detail: `original_${result.detail}` })
  if (!methods.includes(method)) throw problem('target_refused', { detail: 'original_method' })
  return { method, target: result.target, isSlashed: result.outcome === 'slashed' }
}
