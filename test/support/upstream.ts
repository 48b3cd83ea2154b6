// Fake services to forward to: what the tests of forwarding look at from the far end. Everything listens on 127.0.0.1, on a
// free port, and is closed by the test that started it.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { eventually } from './eventually.ts'

/** A request as the service received it. */
export interface Received {
  method: string
  url: string
  httpVersion: string
  headers: IncomingHttpHeaders
  /** Names and values in turn, as they stood in the message. */
  rawHeaders: string[]
  body: string
}

export interface FakeUpstream {
  url: string
  port: number
  /** Every request that arrived whole, in order. */
  received: Received[]
  /** Connections that were ever opened to it. */
  connections: Socket[]
  close(): Promise<void>
}

/**
 * A service that records whole requests and answers them.
 * @param respond writes the response; by default 200 and a JSON text
 * @param port a free one when absent
 */
export async function startFakeUpstream(
  respond: (request: Received, response: ServerResponse) => void = respondPlainly,
  port = 0,
): Promise<FakeUpstream> {
  const received: Received[] = []
  const server = createServer({ insecureHTTPParser: false }, async (message, response) => {
    const request = await receive(message).catch(() => undefined)
    if (request === undefined) return
    received.push(request)
    respond(request, response)
  })
  return { ...(await listen(server, port)), received }
}

/**
 * A service that is handed each request with its body unread.
 * @param handle whatever the test wants to happen
 */
export async function startStreamingUpstream(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Omit<FakeUpstream, 'received'>> {
  return await listen(createServer(handle))
}

/**
 * A service that speaks bytes: valid HTTP or not.
 * @param respond called with the head of each request on a connection (text to the blank line) and its number there, from 1
 */
export async function startRawUpstream(
  respond: (socket: Socket, head: string, number: number) => void,
): Promise<Omit<FakeUpstream, 'received'> & { heads: string[] }> {
  const heads: string[] = []
  const server = createTcpServer((socket) => {
    let buffered = ''
    let number = 0
    socket.on('error', () => {})
    socket.on('data', (part) => {
      buffered += part.toString('latin1')
      for (let end = buffered.indexOf('\r\n\r\n'); end !== -1; end = buffered.indexOf('\r\n\r\n')) {
        const head = buffered.slice(0, end)
        buffered = buffered.slice(end + 4)
        number += 1
        heads.push(head)
        respond(socket, head, number)
      }
    })
  })
  return { ...(await listen(server)), heads }
}

/** Waits until a count has begun and then has not moved for a while. @throws Error when it goes on moving */
export async function standsStill(what: string, count: () => number): Promise<void> {
  let last = 0
  let sinceMs = performance.now()
  await eventually(`${what} stands still`, () => {
    if (count() !== last) {
      last = count()
      sinceMs = performance.now()
    }
    return last > 0 && performance.now() - sinceMs > 200
  })
}

/** A service that takes its time, or a client that does. */
export function later(delayMs: number, act: () => void): void {
  setTimeout(act, delayMs)
}

async function receive(message: IncomingMessage): Promise<Received> {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part)
  const { method = '', url = '', httpVersion, headers, rawHeaders } = message
  return { method, url, httpVersion, headers, rawHeaders, body: Buffer.concat(parts).toString('latin1') }
}

function respondPlainly({ method, url }: Received, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ method, url }))
}

async function listen(server: Server, wantedPort = 0): Promise<Omit<FakeUpstream, 'received'>> {
  const connections: Socket[] = []
  server.on('connection', (socket: Socket) => connections.push(socket))
  server.listen(wantedPort, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  const { port } = address
  const close = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of connections) socket.destroy()
    await closed
  }
  return { url: `http://127.0.0.1:${port}`, port, connections, close }
}
