// A small service for development: it answers with what it received, so that a first request has something to reach and shows
// what the gateway passes on. It keeps nothing and listens on loopback.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export interface DemoUpstream {
  /** `http://127.0.0.1:port` */
  url: string
  /** Ends it and its connections. */
  close(): Promise<void>
}

const shownBytes = 65_536

/**
 * Starts the service.
 * @param options.port 0 or absent: any free one
 * @param options.host loopback when absent; the sample service of docker-compose.yml listens for its network
 * @throws Error when the port is taken
 */
export async function startDemoUpstream({
  port = 0,
  host = '127.0.0.1',
}: {
  port?: number
  host?: string
} = {}): Promise<DemoUpstream> {
  const server = createServer((request, response) => void echo(request, response))
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the demo service has no TCP address')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url: path, headers } = request
  try {
    const body = await shownBody(request)
    const text = `${JSON.stringify({ method, path, headers, body }, null, 2)}\n`
    response.writeHead(200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    })
    response.end(method === 'HEAD' ? undefined : text)
  } catch {
    // The sender left in the middle of its body; there is nobody to answer.
    response.destroy()
  }
}

// All of it is read, the beginning is kept.
async function shownBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let keptBytes = 0
  for await (const part of request) {
    if (keptBytes >= shownBytes) continue
    parts.push(part)
    keptBytes += part.length
  }
  return Buffer.concat(parts).subarray(0, shownBytes).toString()
}
