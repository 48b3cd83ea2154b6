// The metadata that other parties read about this gateway: the authorization server's metadata (RFC 8414) and its public keys
// (RFC 7517). It lists only what works here.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import Type from 'typebox'
import { jwksMaxAgeSeconds } from '../../../plugins/access-tokens/index.ts'

export interface MetadataOptions {
  /** `iss` of the tokens: a URL without query and fragment. */
  issuer: string
}

const wellKnown = '/.well-known/oauth-authorization-server'
const jwksPath = '/.well-known/jwks.json'

const metadataSchema = Type.Object(
  {
    issuer: Type.String({ description: 'The `iss` of every access token.' }),
    token_endpoint: Type.String(),
    jwks_uri: Type.Optional(Type.String({ description: 'Absent while access tokens are signed with HS256 only.' })),
    response_types_supported: Type.Array(Type.String(), { description: 'Empty: there is no authorization endpoint.' }),
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
  const schema = {
    tags: ['metadata'],
    summary: 'What this authorization server does (RFC 8414)',
    response: { 200: metadataSchema },
  }
  for (const [i, url] of metadataPaths(issuer).entries()) {
    const operationId = i === 0 ? 'metadata' : 'metadataOfPath'
    app.get(url, { schema: { ...schema, operationId } }, (_request, reply) => sendMetadata(app, issuer, reply))
  }
  app.get(
    jwksPath,
    {
      schema: {
        operationId: 'jwks',
        tags: ['metadata'],
        summary: 'Public keys of the access tokens (RFC 7517)',
        response: { 200: jwksSchema },
      },
    },
    (_request, reply) => sendJwks(app, reply),
  )
}

export default metadata

// RFC 8414 section 3.1: the path of an issuer that has one stands behind the well-known part. Served at the plain path too,
// for a proxy that takes the issuer's path off before it reaches us.
function metadataPaths(issuer: string): string[] {
  const path = new URL(issuer).pathname.replace(/\/$/, '')
  return path ? [wellKnown, wellKnown + path] : [wellKnown]
}

function sendMetadata(app: FastifyInstance, issuer: string, reply: FastifyReply) {
  const base = issuer.replace(/\/$/, '')
  cacheable(reply)
  return {
    issuer,
    token_endpoint: `${base}/auth/token`,
    ...(app.accessTokens.jwks().keys.length > 0 && { jwks_uri: base + jwksPath }),
    response_types_supported: [],
    grant_types_supported: ['refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
  }
}

function sendJwks(app: FastifyInstance, reply: FastifyReply) {
  cacheable(reply)
  return app.accessTokens.jwks()
}

// Keys are published longer than this before they sign, so nobody meets a token whose key they cannot know.
function cacheable(reply: FastifyReply): void {
  reply.header('cache-control', `public, max-age=${jwksMaxAgeSeconds}`)
}
