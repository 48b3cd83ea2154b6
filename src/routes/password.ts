// POST /auth/password: a user changes the own password. The current one is asked for again, under the same limit as a login
// (ASVS 6.2.3, 7.5.1); every other session of the user ends.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { accessOf, requires } from '../../plugins/authenticate.ts'
import { demandNewPassword, demandPassword } from '../../plugins/credentials/index.ts'
import { problem, refusals } from '../../plugins/errors.ts'
import { noQuery, nothing, type PasswordBody, passwordBody } from '../schemas.ts'

export interface PasswordOptions {
  bodyLimitBytes: number
}

const password: FastifyPluginAsyncTypebox<PasswordOptions> = async (app, options) => {
  app.post('/auth/password', {
    bodyLimit: options.bodyLimitBytes,
    onRequest: requires('authenticated'),
    schema: {
      operationId: 'changeOwnPassword',
      tags: ['auth'],
      summary: 'Change the own password',
      description: 'Takes the current password again. Every other session of the user ends; this one stays.',
      security: [{ bearer: [] }],
      querystring: noQuery,
      body: passwordBody,
      response: {
        204: nothing,
        ...refusals(
          'invalid_request',
          'weak_password',
          'unauthenticated',
          'invalid_token',
          'invalid_credentials',
          'body_too_large',
          'unsupported_media_type',
          'too_many_requests',
          'overloaded',
          'revocation_unknown',
          'store_unavailable',
        ),
      },
    },
    handler: (request, reply) => changePassword(app, request, reply, request.body),
  })
}

async function changePassword(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply, body: PasswordBody) {
  const { sub, sid } = accessOf(request)
  demandPassword(body.current_password, '/current_password')
  demandNewPassword(body.new_password, '/new_password')
  const looking = app.credentials.find(sub)
  const user = await app.loginLimit.judge(request, { username: sub, looking, sid }, (place) =>
    app.credentials.check(sub, body.current_password, { looking, place }),
  )
  if (user) await app.credentials.demandStrength(sub, body.new_password, '/new_password')
  if (!user || !(await app.credentials.setPassword(user, body.new_password))) {
    app.usage.record(request, { reason: 'login_failed', granted: false, sub, detail: 'password change' })
    throw problem('invalid_credentials', { reason: 'login_failed' })
  }
  await app.sessions.endAll(sub, 'password_changed', sid, request)
  reply.code(204)
  return null
}

export default password
