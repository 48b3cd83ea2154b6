// POST /admin/revocations: whatever can be revoked, by one route. When it has answered, this node refuses what was revoked;
// the others do as soon as the log has reached them.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { closed, noQuery, sid, subject, time } from '../../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { errorResponses, problem } from '../../../plugins/errors/index.ts'
import { administrator } from '../../../plugins/session-store/port/administrators.ts'
import { type AdminOptions, adminErrors, adminSchema } from './route.ts'

const jti = Type.String({ pattern: '^[A-Za-z0-9_-]{22,64}$', description: '`jti` of an access token.' })
const kid = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: '`kid` of a signing key.' })

const revocationBody = Type.Union(
  [
    Type.Object({ kind: Type.Literal('session'), sid }, { ...closed, description: 'One session and all its tokens.' }),
    Type.Object({ kind: Type.Literal('subject'), sub: subject }, { ...closed, description: 'All of a subject.' }),
    Type.Object({ kind: Type.Literal('token'), jti }, { ...closed, description: 'One access token, not its session.' }),
    Type.Object(
      { kind: Type.Literal('everyone') },
      { ...closed, description: 'Every session of everybody, yours too.' },
    ),
    Type.Object(
      { kind: Type.Literal('signing_key'), kid },
      { ...closed, description: 'A key that leaked: its access tokens are refused, refresh tokens go on.' },
    ),
  ],
  { description: 'What to revoke.' },
)

const revoked = Type.Object(
  {
    ended: Type.Optional(Type.Integer({ description: 'Of a session or a subject: how many sessions were ended.' })),
    not_before: Type.Optional(time('Of everyone: sessions that began before have ended.')),
  },
  closed,
)

type RevocationBody = Static<typeof revocationBody>

export const adminRevocations: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { bodyLimitBytes }) => {
  app.post('/admin/revocations', {
    bodyLimit: bodyLimitBytes,
    config: { isForOperators: true },
    schema: {
      ...adminSchema,
      operationId: 'revoke',
      summary: 'Revoke',
      description: 'Revokes a session, a subject’s sessions, one access token, everyone’s sessions, or a signing key.',
      querystring: noQuery,
      body: revocationBody,
      response: {
        200: revoked,
        ...errorResponses(...adminErrors, 'not_found', 'body_too_large', 'unsupported_media_type'),
      },
    },
    handler: (request) => revoke(app, request, request.body),
  })
}

async function revoke(app: FastifyInstance, request: FastifyRequest, body: RevocationBody) {
  // A key is no session.
  if (body.kind === 'signing_key') app.authorize(request, { roles: [administrator] }, { audience: adminAudience })
  const response = await revokeByKind(app, request, body)
  const { kind, sid, sub, ...name } = { sid: undefined, sub: undefined, ...body }
  const detail = [kind, ...Object.values(name)].join(' ')
  app.audit.record(request, { reason: 'revocation_asked', granted: true, sid, sub, detail })
  // Told to all nodes, and reported, also when the store did not hold it.
  if (response.isUnknown) throw problem('not_found', { detail: 'key_unknown' })
  return response.body
}

async function revokeByKind(
  app: FastifyInstance,
  request: FastifyRequest,
  body: RevocationBody,
): Promise<{ body: Static<typeof revoked>; isUnknown?: boolean }> {
  switch (body.kind) {
    case 'session':
      return { body: { ended: (await app.sessions.end(body.sid, 'revoked_by_admin', request)) ? 1 : 0 } }
    case 'subject':
      return { body: { ended: await app.sessions.endAll(body.sub, 'revoked_by_admin', undefined, request) } }
    case 'token':
      await app.sessions.revoke(body)
      return { body: {} }
    case 'everyone':
      return { body: { not_before: timestamp((await app.sessions.endEveryone('revoked_by_admin')).at) } }
    case 'signing_key':
      return { body: {}, isUnknown: !(await revokeKey(app, body.kid)) }
  }
}

// Told to the others also when the store did not hold it: a first attempt may have failed between the two.
async function revokeKey(app: FastifyInstance, kid: string): Promise<boolean> {
  const isHeld = await app.accessTokens.revokeKey(kid)
  await app.sessions.revoke({ kind: 'signing_key', kid })
  return isHeld
}
