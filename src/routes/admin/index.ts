// /admin: users, sessions, usage and keys, for administrators and, where nothing but sessions is changed, operators. Every event recorded on the way names the acting
// subject. It must never show a password hash, a token or a key.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { closed, noQuery, time } from '../../../plugins/auth-routes/wire/fields.ts'
import { timestamp } from '../../../plugins/auth-routes/wire/session-view.ts'
import { accessOf } from '../../../plugins/authenticate.ts'
import { errorResponses } from '../../../plugins/errors/index.ts'
import { adminEvents } from './events.ts'
import { adminOverview } from './overview.ts'
import { adminRevocations } from './revocations.ts'
import { type AdminOptions, adminErrors, adminSchema, authorizeAdmin } from './route.ts'
import { adminSessions } from './sessions.ts'
import { adminTimeline } from './timeline.ts'
import { adminUsers } from './users.ts'

const rotatedKey = Type.Object(
  {
    kid: Type.String({ description: 'The new key’s id.' }),
    active_from: time('From when on it signs; it is published already.'),
  },
  closed,
)

const admin: FastifyPluginAsyncTypebox<AdminOptions> = async (app, options) => {
  app.addHook('onRequest', async (request) => authorizeAdmin(request, options.maxAgeSeconds))
  app.addHook('onRequest', nameActingSubject)
  await app.register(adminUsers, options)
  await app.register(adminSessions)
  await app.register(adminRevocations, options)
  await app.register(adminEvents)
  await app.register(adminOverview)
  await app.register(adminTimeline)

  app.post('/admin/keys/rotate', {
    bodyLimit: options.bodyLimitBytes,
    schema: {
      ...adminSchema,
      operationId: 'rotateKeys',
      summary: 'Rotate the signing key',
      description: 'Makes the next signing key and publishes it; it signs once every verifier can have seen it.',
      querystring: noQuery,
      response: { 200: rotatedKey, ...errorResponses(...adminErrors, 'unsupported_media_type', 'body_too_large') },
    },
    handler: (request) => rotateKeys(app, request),
  })
}

// Whatever is recorded or logged during this request says who did it.
async function nameActingSubject(request: FastifyRequest): Promise<void> {
  request.log = request.log.child({ actor: accessOf(request).sub })
}

async function rotateKeys(app: FastifyInstance, request: FastifyRequest) {
  const { kid, activeFrom } = await app.accessTokens.rotate()
  // The rotation itself is recorded where it is done, for the schedule does it too; this says who asked.
  app.audit.record(request, { reason: 'keys_rotation_asked', granted: true, detail: kid })
  return { kid, active_from: timestamp(activeFrom) }
}

export default admin
