// The listener of CARDEA_METRICS: GET /metrics on an address of its own, where no credential is asked, and nothing else.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { hearErrors } from '../../plugins/http-edge/socket-errors.ts'

/**
 * Listens.
 * @param read gives the text
 * @returns ends it
 * @throws what listening throws
 */
export async function listenForMetrics(
  listen: { host: string; port: number },
  read: () => Promise<string>,
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer({ keepAliveTimeout: 5000 }, (request, response) => {
    const isKnown = (request.url ?? '').split('?', 1)[0] === '/metrics'
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isKnown || !isRead) return response.writeHead(isKnown ? 405 : 404).end()
    read().then(
      (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text),
      () => response.writeHead(503, { 'retry-after': '5' }).end(),
    )
  })
  server.on('connection', hearErrors)
  hearErrors(server)
  server.listen(listen)
  // Rejects when it cannot listen.
  await once(server, 'listening')
  server.unref()
  return { port: portOf(server), close: () => close(server) }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
