// The scheme by which a client asked: of its connection, or as a trusted proxy says in X-Forwarded-Proto. Proxies say `wss` of a
// WebSocket, some write capitals; it is never anything but http or https.
import type { FastifyRequest } from 'fastify'

/**
 * The scheme of a request, as URLs of what it asks for begin. `wss` and `ws` are https and http in another use (RFC 6455 section
 * 11.1); what is none of the four says nothing of encryption, and is http.
 */
export function schemeOf({ protocol }: Pick<FastifyRequest, 'protocol'>): 'http' | 'https' {
  if (protocol === 'https') return 'https'
  if (protocol === 'http') return 'http'
  return /^(?:https|wss)$/i.test(protocol) ? 'https' : 'http'
}
