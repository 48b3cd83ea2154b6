// Liveness and readiness, for the machines that run the gateway. No credential, and nothing in the answers but yes or no.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { problem, refusals } from '../../plugins/errors.ts'

const healthSchema = Type.Object({ status: Type.Literal('ok') }, { additionalProperties: false })

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
  response: { 200: healthSchema, ...refusals('store_unavailable', 'revocation_unknown') },
}

const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/livez', { schema: livez }, answerOk)
  app.get('/readyz', { schema: readyz }, answerReadiness)
}

export default health

function answerOk() {
  return { status: 'ok' as const }
}

async function answerReadiness(request: FastifyRequest, reply: FastifyReply) {
  await request.server.store.ping()
  if (request.server.revocation.isStale()) throw problem('revocation_unknown')
  reply.header('cache-control', 'no-store')
  return answerOk()
}
