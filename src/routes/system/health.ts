// Liveness and readiness, for the machines that run the gateway. No credential, and nothing in the responses but yes or no and
// how well this node knows the revocation log.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { errorResponses, problem, toProblem } from '../../../plugins/errors/index.ts'
import type { RevocationStatus } from '../../../plugins/revocation/index.ts'

const closed = { additionalProperties: false }

const healthSchema = Type.Object({ status: Type.Literal('ok') }, closed)

const readinessSchema = Type.Object(
  {
    status: Type.Literal('ok'),
    revocation_log: Type.Object(
      {
        age_ms: Type.Integer({ description: 'How long ago it was last read to its end.' }),
        entries: Type.Integer({ description: 'Revocations that this node holds.' }),
        last_id: Type.String({ description: 'The last place read.' }),
      },
      { ...closed, description: 'Also a member of the refusals.' },
    ),
    store_warnings: Type.Array(Type.String(), {
      description: 'What is wrong with the store though it serves, a word each; the event `store_alarm` says more.',
    }),
  },
  closed,
)

const livez = {
  tags: ['health'],
  summary: 'Whether the process answers',
  operationId: 'livez',
  response: { 200: healthSchema },
}

const readyz = {
  tags: ['health'],
  summary: 'Whether this node can serve: its store answers and its revocation log is fresh',
  operationId: 'readyz',
  response: { 200: readinessSchema, ...errorResponses('store_unavailable', 'revocation_unknown') },
}

const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/livez', { schema: livez, config: { anyHost: true } }, () => ({ status: 'ok' as const }))
  app.get('/readyz', { schema: readyz, config: { anyHost: true } }, sendReadiness)
  // haproxy asks by OPTIONS unless it is told otherwise (`option httpchk /livez`).
  app.options('/livez', { schema: { hide: true }, config: { anyHost: true } }, () => ({ status: 'ok' as const }))
  app.options('/readyz', { schema: { hide: true }, config: { anyHost: true } }, sendReadiness)
}

export default health

async function sendReadiness({ server }: FastifyRequest, reply: FastifyReply) {
  const revocation_log = logView(server.revocation.status())
  try {
    await server.store.ping()
  } catch (cause) {
    throw problem(toProblem(cause).code, { detail: 'store_unavailable', members: { revocation_log }, cause })
  }
  if (server.revocation.isStale()) throw problem('revocation_unknown', { members: { revocation_log } })
  reply.header('cache-control', 'no-store')
  return { status: 'ok' as const, revocation_log, store_warnings: server.store.condition.topics }
}

function logView({ ageMs, entries, position }: RevocationStatus) {
  return { age_ms: Math.round(ageMs), entries, last_id: position }
}
