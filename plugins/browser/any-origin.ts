// Documents that pages of every origin may read, such as public keys: nobody's in particular, and asked for without credentials.
// It must never be used for a response that depends on who asks.
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'

/** How long a browser need not ask again whether it may ask. */
const preflightMaxAgeSeconds = 600

/**
 * Declares GET, and OPTIONS for browsers that ask first, of a document for every origin (Fetch section 3.2).
 * @param options of the GET route
 * @param write makes the document
 */
export function getForAnyOrigin(
  app: FastifyInstance,
  url: string,
  options: RouteShorthandOptions,
  write: (reply: FastifyReply) => object,
): void {
  app.get(url, options, (_request, reply) => write(openToAll(reply)))
  // @fastify/cors, where it is registered, would answer for the origins of its list alone.
  const config = { cors: { preflight: false } }
  app.options(url, { schema: { hide: true }, config }, sendPreflight)
}

function sendPreflight({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const wanted = headers['access-control-request-headers']
  openToAll(reply).header('access-control-allow-methods', 'GET, HEAD')
  if (wanted !== undefined) reply.header('access-control-allow-headers', wanted)
  return reply.code(204).header('access-control-max-age', String(preflightMaxAgeSeconds)).send()
}

// An origin of the gateway's own list is named already, and may send its cookies along. `*` never goes with credentials.
function openToAll(reply: FastifyReply): FastifyReply {
  if (!reply.hasHeader('access-control-allow-origin')) {
    reply.removeHeader('access-control-allow-credentials').header('access-control-allow-origin', '*')
  }
  return reply.header('cross-origin-resource-policy', 'cross-origin')
}
