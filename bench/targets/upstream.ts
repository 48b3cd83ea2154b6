// The service behind the gateway in the benches: answers 200 bytes, 10 KB at /large, or at /stream a line every 50 ms for 5 s.
// Run as a process of its own; prints its address on the first line.
import { createServer, type ServerResponse } from 'node:http'

const small = Buffer.alloc(200, 'x')
const large = Buffer.alloc(10_240, 'x')

const server = createServer((request, response) => {
  if (request.url?.endsWith('/stream')) return stream(response)
  const body = request.url?.endsWith('/large') ? large : small
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}`)
})

function stream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let lines = 0
  const timer = setInterval(() => {
    lines += 1
    if (lines <= 100) response.write(`data: ${lines}\n\n`)
    else response.end()
  }, 50)
  response.on('close', () => clearInterval(timer))
}
