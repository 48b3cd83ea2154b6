// The metadata that other parties read about this gateway, from whichever origin: the authorization server's metadata (RFC 8414),
// also where libraries look for an OpenID provider's, and its public keys (RFC 7517). It lists only what works here.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import Type from 'typebox'
import { jwksMaxAgeSeconds } from '../../../plugins/access-tokens/index.ts'
import { getForAnyOrigin } from '../../../plugins/browser/any-origin.ts'
import { errorResponses } from '../../../plugins/errors/index.ts'

export interface MetadataOptions {
  /** `iss` of the tokens: a URL without query and fragment. */
  issuer: string
}

const wellKnown = '/.well-known/'
const jwksPath = `${wellKnown}jwks.json`

const metadataSchema = Type.Object(
  {
    issuer: Type.String({ description: 'The `iss` of every access token.' }),
    token_endpoint: Type.String(),
    jwks_uri: Type.Optional(Type.String({ description: 'Absent while access tokens are signed with HS256 only.' })),
    grant_types_supported: Type.Array(Type.String()),
    token_endpoint_auth_methods_supported: Type.Array(Type.String()),
  },
  { additionalProperties: false, description: 'Authorization server metadata (RFC 8414 section 2).' },
)

const jwkSchema = Type.Object(
  {
    kty: Type.String(),
    kid: Type.String(),
    alg: Type.String(),
    use: Type.Literal('sig'),
    crv: Type.Optional(Type.String()),
    x: Type.Optional(Type.String()),
    y: Type.Optional(Type.String()),
    n: Type.Optional(Type.String()),
    e: Type.Optional(Type.String()),
  },
  { additionalProperties: false, description: 'A public key (RFC 7517 section 4); no private member can be in it.' },
)

const jwksSchema = Type.Object(
  { keys: Type.Array(jwkSchema) },
  {
    additionalProperties: false,
    description: 'Keys that access tokens are signed with now, next, or were until lately.',
  },
)

const metadata: FastifyPluginAsyncTypebox<MetadataOptions> = async (app, { issuer }) => {
  const shared = { tags: ['metadata'], security: [] }
  const refusals = errorResponses('invalid_request', 'misdirected_request')
  for (const { url, operationId } of metadataPaths(issuer)) {
    const summary = 'What this authorization server does (RFC 8414)'
    const schema = { ...shared, operationId, summary, response: { 200: metadataSchema, ...refusals } }
    getForAnyOrigin(app, url, { schema }, (reply) => metadataOf(app, issuer, reply))
  }
  const summary = 'Public keys of the access tokens (RFC 7517)'
  const schema = { ...shared, operationId: 'jwks', summary, response: { 200: jwksSchema, ...refusals } }
  getForAnyOrigin(app, jwksPath, { schema }, (reply) => jwksOf(app, reply))
}

export default metadata

// Libraries ask for an OpenID provider's by default, also those that only want to refresh (RFC 8414 section 5). Section 3.1: the
// path of an issuer that has one stands behind the well-known part. Served at the plain path too, for a proxy that takes the
// issuer's path off before it reaches us.
function metadataPaths(issuer: string): { url: string; operationId: string }[] {
  const path = new URL(issuer).pathname.replace(/\/$/, '')
  const plain = [
    { url: `${wellKnown}oauth-authorization-server`, operationId: 'metadata' },
    { url: `${wellKnown}openid-configuration`, operationId: 'openidMetadata' },
  ]
  if (path === '') return plain
  return [...plain, ...plain.map(({ url, operationId }) => ({ url: url + path, operationId: `${operationId}OfPath` }))]
}

function metadataOf(app: FastifyInstance, issuer: string, reply: FastifyReply) {
  const base = issuer.replace(/\/$/, '')
  cacheable(reply)
  // RFC 8414 section 3.2: what would have no element MUST be left out, such as the response types of a server without an
  // authorization endpoint.
  return {
    issuer,
    token_endpoint: `${base}/auth/token`,
    ...(app.accessTokens.jwks().keys.length > 0 && { jwks_uri: base + jwksPath }),
    grant_types_supported: ['refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
  }
}

function jwksOf(app: FastifyInstance, reply: FastifyReply) {
  cacheable(reply)
  return app.accessTokens.jwks()
}

// Keys are published longer than this before they sign, so nobody meets a token whose key they cannot know.
function cacheable(reply: FastifyReply): void {
  reply.header('cache-control', `public, max-age=${jwksMaxAgeSeconds}`)
}
