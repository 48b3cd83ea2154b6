// The limit that the gateway is measured against: node:http and undici, no authentication, no policy, no header hygiene.
// Run as a process of its own with the service's address; prints its own address on the first line.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'

const [upstream = ''] = process.argv.slice(2)
const pool = new Pool(upstream, { connections: 64 })

function forward(request: IncomingMessage, response: ServerResponse): void {
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {},
    onResponseStart: (_controller, statusCode, headers) => void response.writeHead(statusCode, headers),
    onResponseData: (_controller, chunk) => void response.write(chunk),
    onResponseEnd: () => void response.end(),
    onResponseError: () => void response.destroy(),
  }
  // Node's methods and undici's are the same words; the types do not know it.
  const method = (request.method ?? 'GET') as Dispatcher.HttpMethod
  pool.dispatch({ path: request.url ?? '/', method, headers: { accept: '*/*' } }, handler)
}

const server = createServer(forward)
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}`)
})
