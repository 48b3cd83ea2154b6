// The service behind the gateway in the benches: answers 200 bytes, or 10 KB at /large, and does nothing else.
// Run as a process of its own; prints its address on the first line.
import { createServer } from 'node:http'

const small = Buffer.alloc(200, 'x')
const large = Buffer.alloc(10_240, 'x')

const server = createServer((request, response) => {
  const body = request.url?.endsWith('/large') ? large : small
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}`)
})
