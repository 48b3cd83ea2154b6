// Liveness and readiness, for the machines that run the gateway: whether the process responds, and whether requests shall be sent
// to it. No credential, and nothing in the responses but yes or no and how well this node knows the revocation log.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import Type, { type Static } from 'typebox'
import { errorResponses, problem, toProblem } from '../../../plugins/errors/index.ts'
import type { RevocationStatus } from '../../../plugins/revocation/index.ts'

const closed = { additionalProperties: false }

const healthSchema = Type.Object({ status: Type.Literal('ok') }, closed)

const readinessSchema = Type.Object(
  {
    status: Type.Enum(['ok', 'degraded'], {
      description: '`degraded`: requests are forwarded, but the store is away, so nobody can sign in or refresh.',
    }),
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

const readyzQuery = Type.Object({
  full: Type.Optional(
    Type.Enum(['', 'true'], { description: 'Ask for sign-in, too: while the store is away the response is then 503.' }),
  ),
})

const livez = {
  tags: ['health'],
  summary: 'Whether the process answers',
  operationId: 'livez',
  security: [],
  response: { 200: healthSchema, ...errorResponses('invalid_request') },
}

const readyz = {
  tags: ['health'],
  summary: 'Whether this node can forward requests: it is not being stopped, and knows who is revoked',
  operationId: 'readyz',
  security: [],
  querystring: readyzQuery,
  response: {
    200: readinessSchema,
    ...errorResponses('invalid_request', 'stopping', 'store_unavailable', 'revocation_unknown'),
  },
}

export interface HealthOptions {
  /** Whether this node is being stopped: whoever balances shall send its requests elsewhere. */
  isStopping: () => boolean
}

const health: FastifyPluginAsyncTypebox<HealthOptions> = async (app, { isStopping }) => {
  app.get('/livez', { schema: livez, config: { anyHost: true } }, () => ({ status: 'ok' as const }))
  const config = { anyHost: true }
  const tell = ({ query }: { query: Static<typeof readyzQuery> }, reply: FastifyReply) =>
    sendReadiness(app, reply, { isStopping: isStopping(), isFull: query.full !== undefined })
  app.get('/readyz', { schema: readyz, config }, tell)
  // haproxy asks by OPTIONS unless it is told otherwise (`option httpchk /livez`).
  app.options('/livez', { schema: { hide: true }, config }, () => ({ status: 'ok' as const }))
  app.options('/readyz', { schema: { hide: true, querystring: readyzQuery }, config }, tell)
}

export default health

async function sendReadiness(
  { revocation, store }: FastifyInstance,
  reply: FastifyReply,
  { isStopping, isFull }: { isStopping: boolean; isFull: boolean },
) {
  const members = { revocation_log: logView(revocation.status()) }
  if (isStopping) throw problem('stopping', { members })
  if (revocation.isStale()) throw problem('revocation_unknown', { members })
  const cause = await store.ping().then(
    () => undefined,
    (error: unknown) => error,
  )
  if (cause !== undefined && isFull) {
    throw problem(toProblem(cause).code, { detail: 'store_unavailable', members, cause })
  }
  reply.header('cache-control', 'no-store')
  return {
    status: cause === undefined ? 'ok' : 'degraded',
    ...members,
    store_warnings: store.condition.topics,
  } as const
}

function logView({ ageMs, entries, position }: RevocationStatus) {
  return { age_ms: Math.round(ageMs), entries, last_id: position }
}
