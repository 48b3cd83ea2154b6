// GET /metrics: what Prometheus reads, for holders of the metrics token, administrators and operators (ASVS 13.4.5). What listens on
// CARDEA_METRICS, without a credential, is src/process/metrics-listener.ts.
import { timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { adminAudience } from '../../../plugins/access-tokens/index.ts'
import { noQuery } from '../../../plugins/auth-routes/wire/fields.ts'
import { bearerToken } from '../../../plugins/authenticate.ts'
import { errorResponses } from '../../../plugins/errors/index.ts'
import { administrator } from '../../../plugins/session-store/port/administrators.ts'
import { operator } from '../admin/route.ts'

export interface MetricsRouteOptions {
  /** Undefined: administrators and operators only. */
  token: string | undefined
}

const metrics: FastifyPluginAsyncTypebox<MetricsRouteOptions> = async (app, { token }) => {
  app.get('/metrics', {
    onRequest: async (request) => requireReader(app, request, token),
    schema: {
      operationId: 'readMetrics',
      tags: ['health'],
      summary: 'Read metrics',
      description:
        'The text format of Prometheus. Takes the metrics token or an access token for `urn:cardea:admin` with the role admin or operator. With several workers, the ' +
        'one that answers speaks for itself; CARDEA_METRICS speaks for all.',
      security: [{ bearer: [] }],
      produces: ['text/plain'],
      querystring: noQuery,
      response: {
        200: Type.String({ description: 'Text format, version 0.0.4.' }),
        ...errorResponses('invalid_request', 'unauthenticated', 'invalid_token', 'forbidden', 'revocation_unknown'),
      },
    },
    handler: (_request, reply) => sendMetrics(app, reply),
  })
}

function requireReader(app: FastifyInstance, request: FastifyRequest, token: string | undefined): void {
  const presented = bearerToken(request.raw.rawHeaders)
  if (token !== undefined && presented !== undefined && isEqual(presented, token)) return
  app.authorize(request, { roles: [administrator, operator] }, { audience: adminAudience })
}

// The time tells no more than the length.
function isEqual(presented: string, token: string): boolean {
  const [one, other] = [Buffer.from(presented), Buffer.from(token)]
  return one.length === other.length && timingSafeEqual(one, other)
}

async function sendMetrics(app: FastifyInstance, reply: FastifyReply): Promise<string> {
  reply.header('content-type', app.metrics.registry.contentType).header('cache-control', 'no-store')
  return app.metrics.text()
}

export default metrics
