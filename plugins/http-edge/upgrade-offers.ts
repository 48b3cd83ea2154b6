// Offers of another protocol that a client can do without (RFC 9110 section 7.8: a server MAY ignore Upgrade): HTTP/2 in clear
// text, which Java's HttpClient offers in each first request, and TLS (RFC 2817), which Apache's HttpClient does. The request is
// answered as it stands. Its connection goes on where nothing was lost: Node's parser stops behind such a request, and what came in
// the same read is gone; what comes after that may be the body of a request that nobody saw.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ended } from './ended-connections.ts'
import { bytesBeingParsed } from './node-internals.ts'

/** Whether whoever asks for these protocols goes on without them. @param protocols the one Upgrade field */
export function isOffer(protocols: string): boolean {
  return offer.test(protocols)
}

const offer = /^(?:h2c|TLS\/1\.[0-3](?:,[ \t]*TLS\/1\.[0-3]){0,3})$/i

/**
 * Has a request with an Upgrade field be the last one of its connection, unless it is an offer behind which nothing was lost. To be
 * called while the head is parsed.
 */
export function endUnlessWhole(raw: IncomingMessage, response: ServerResponse): void {
  const { upgrade } = raw.headers
  if (upgrade === undefined) return
  const missing = isOffer(upgrade) ? bytesMissing(raw) : undefined
  if (missing === 0) return
  const keepsAlive = response.shouldKeepAlive
  ended.add(raw.socket)
  response.shouldKeepAlive = false
  if (missing === undefined) return
  const end = raw.socket.bytesRead + missing
  raw.once('end', () => {
    if (raw.socket.bytesRead !== end || response.headersSent) return
    ended.delete(raw.socket)
    response.shouldKeepAlive = keepsAlive
  })
}

// How many bytes of a request are still to come; undefined where something stands behind it, or nobody can tell.
function bytesMissing({ socket, method, url, headers }: IncomingMessage): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined
  const bytes = bytesBeingParsed(socket)
  // Else its head came in parts, or behind another request.
  if (!bytes.toString('latin1', 0, 16_384).startsWith(`${method} ${url} HTTP/1.1\r\n`)) return undefined
  const head = bytes.indexOf('\r\n\r\n')
  if (head === -1) return undefined
  const missing = Number(headers['content-length'] ?? 0) - (bytes.length - head - 4)
  return missing >= 0 ? missing : undefined
}
