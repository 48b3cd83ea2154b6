// Attacks by way of WebSocket handshakes, byte by byte: requests hidden behind one, switches that never happened, credentials
// in the wrong place.
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { asAlice, gatewayFor } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { standsStill, startRawUpstream } from '../../support/upstream.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
// RFC 6455 section 1.3: the accept value of that key.
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const websocketUpgrade = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
const smuggled = `GET /secret HTTP/1.1\r\nHost: a\r\n${asAlice}\r\n\r\n`

function handshake(target: string, more: string[] = [asAlice], less = ''): string {
  const fields = ['Host: a', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  const all = [...fields, `Sec-WebSocket-Key: ${key}`, ...more].filter(
    (field) => less === '' || !field.startsWith(less),
  )
  return `GET ${target} HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`
}

/** A service that answers every handshake with these bytes, and a gateway before it. */
async function sceneOf(t: Test, response = websocketUpgrade, changes: Partial<RouteConfig> = {}) {
  const service = await startRawUpstream((socket) => socket.write(response))
  t.teardown(() => service.close())
  const { port } = await gatewayFor(t, [
    { prefix: '/ws', upstream: service.url, websocket: true, ...changes },
    { prefix: '/secret', upstream: service.url },
  ])
  return { port, service }
}

t.test('behind a refused handshake nothing is read as a request', async (t) => {
  const { port, service } = await sceneOf(t)
  const refused = [handshake('/ws', []), handshake('/secret'), handshake('/ws', [asAlice, 'Origin: https://evil.test'])]
  for (const first of refused) {
    for (const bytes of [first + smuggled, [first, smuggled]]) {
      const { text, closed } = await sendRaw(port, bytes)
      t.match(statusesIn(text), [/^(401|403|501)$/], text)
      t.equal(statusesIn(text).length, 1)
      t.ok(closed)
    }
  }
  t.strictSame(service.heads, [])
})

t.test(
  'what comes with a handshake that is let in reaches the service as it is, and only after the switch',
  async (t) => {
    const { port, service } = await sceneOf(t)
    const client = openRaw(port)
    t.teardown(() => client.socket.destroy())
    client.socket.write(handshake('/ws') + smuggled)
    await eventually('both arrived', () => service.heads.length === 2)
    t.match(service.heads[1], /^GET \/secret/, 'bytes in a tunnel, not a request of ours')
    t.match(service.heads[1], /alice/)
    t.equal(service.connections.length, 1)
  },
)

t.test('a handshake that is malformed, has a body or is no GET is refused', async (t) => {
  const { port, service } = await sceneOf(t)
  const wrong = [
    handshake('/ws', [asAlice], 'Sec-WebSocket-Key'),
    handshake('/ws', [asAlice], 'Sec-WebSocket-Version'),
    `${handshake('/ws', [asAlice, 'Content-Length: 5'])}hello`,
    `${handshake('/ws', [asAlice, 'Transfer-Encoding: chunked'])}0\r\n\r\n`,
    handshake('/ws', [asAlice, 'Upgrade: websocket']),
    handshake('/ws', [asAlice, 'Upgrade: h2c']),
    handshake('/ws', [asAlice, `Sec-WebSocket-Key: ${key}`]),
    handshake('/ws', [asAlice, 'Host: b']),
    handshake('/ws').replace('GET', 'POST'),
    handshake('/ws').replace('HTTP/1.1', 'HTTP/1.0'),
    handshake('/ws').replace('Upgrade: websocket', 'Upgrade: websocket, h2c'),
    handshake('/ws').replace('Upgrade: websocket', 'Upgrade: IRC/6.9'),
    handshake('/ws/../secret'),
    handshake('/ws', [asAlice, 'Sec-WebSocket-Protocol: bearer, alice']),
    handshake('/ws', ['Sec-WebSocket-Protocol: bearer, alice, bearer, root']),
  ]
  for (const bytes of wrong) {
    const { text } = await sendRaw(port, bytes)
    t.match(text, /^HTTP\/1\.1 (400|501) /, bytes)
  }
  t.strictSame(service.heads, [])
})

t.test('h2c stays a plain request on a route that takes WebSockets', async (t) => {
  const { port, service } = await sceneOf(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const fields = `Host: a\r\n${asAlice}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n`
  const { text } = await sendRaw(port, `GET /ws HTTP/1.1\r\n${fields}\r\n`)
  t.match(text, /^HTTP\/1\.1 200 /)
  t.notMatch(service.heads.join('\n'), /upgrade|h2c|http2/i)
})

t.test('a handshake behind a request that is still to be answered ends the connection', async (t) => {
  const { port, service } = await sceneOf(t, '')
  const { text, closed } = await sendRaw(
    port,
    `GET /secret HTTP/1.1\r\nHost: a\r\n${asAlice}\r\n\r\n${handshake('/ws')}`,
  )
  t.equal(text, '')
  t.ok(closed)
  t.notMatch(service.heads.join('\n'), /websocket/i)
})

t.test('a service that does not prove the switch opens no tunnel', async (t) => {
  const unproven = [
    websocketUpgrade.replace(accept, 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='),
    websocketUpgrade.replace(/Sec-WebSocket-Accept: .*\r\n/, ''),
    websocketUpgrade.replace('101 Switching Protocols', '200 OK'),
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'nonsense\r\n\r\n',
  ]
  for (const response of unproven) {
    const { port } = await sceneOf(t, `${response}EVIL`, { timeouts: { headers: '500ms' } })
    const { text, closed } = await sendRaw(port, handshake('/ws'))
    t.match(text, /^HTTP\/1\.1 50[24] /, response)
    t.notMatch(text, /EVIL/)
    t.ok(closed)
  }
})

t.test('a service writes no field of ours into the switch', async (t) => {
  const more = 'Set-Cookie: __Host-cardea_refresh=x\r\nX-Request-Id: forged\r\nAlt-Svc: h3\r\nX-Own: yes\r\n'
  const { port } = await sceneOf(t, websocketUpgrade.replace('Upgrade: websocket\r\n', `Upgrade: websocket\r\n${more}`))
  const { text } = await sendRaw(port, handshake('/ws'), { until: (received) => received.includes('\r\n\r\n') })
  t.match(text, /^HTTP\/1\.1 101 .*x-own: yes/is)
  t.notMatch(text, /cardea_refresh|forged|alt-svc/i)
})

t.test('a client that leaves during the handshake frees the service and its place at once', async (t) => {
  const leavings: Record<string, (socket: Socket) => unknown> = {
    'by a reset': (socket) => socket.resetAndDestroy(),
    'by closing': (socket) => socket.destroy(),
    // Nobody can tell it from closing, and half a WebSocket is none; Node ends a request for it, too.
    'by half': (socket) => socket.end(),
    'with words that nobody waits for': (socket) => socket.end('x'.repeat(5000)),
  }
  const { port, service } = await sceneOf(t, '', { maxStreams: 1 })
  for (const [way, leave] of Object.entries(leavings)) {
    const client = openRaw(port)
    t.teardown(() => client.socket.destroy())
    const before = service.heads.length
    client.socket.write(handshake('/ws'))
    await eventually('it is on its way', () => service.heads.length > before)
    leave(client.socket)
    await eventually(`${way} it is gone`, () => service.connections.at(-1)?.destroyed === true, 3000)
    await eventually(`${way} it has ended here`, () => client.closed, 3000)
    t.equal(client.text, '', way)
  }
})

t.test('what a client sends before the switch waits for it, and does not pile up here', async (t) => {
  const service = await startRawUpstream(() => {})
  t.teardown(() => service.close())
  const { port } = await gatewayFor(t, [{ prefix: '/ws', upstream: service.url, websocket: true }])
  const client = openRaw(port)
  t.teardown(() => client.socket.destroy())
  client.socket.write(handshake('/ws'))
  await eventually('it is on its way', () => service.heads.length === 1)
  const part = Buffer.alloc(65_536, 'x')
  for (let i = 0; i < 512; i += 1) client.socket.write(part)
  await standsStill('what was taken', () => client.socket.bytesWritten - client.socket.writableLength)
  t.ok(client.socket.writableLength > 16 * 1_048_576, 'most of it waits where it came from')
  const [connection] = service.connections
  let bytes = 0
  connection?.removeAllListeners('data').on('data', (data: Buffer) => {
    bytes += data.length
  })
  t.equal(connection?.bytesRead, service.heads.join('').length + 4, 'nothing of it has reached the service')
  connection?.write(websocketUpgrade)
  await eventually('all of it arrived', () => bytes === 512 * part.length)
})

t.test('a stop tells handshakes under way to come again, and lets no new one in', async (t) => {
  const service = await startRawUpstream(() => {})
  t.teardown(() => service.close())
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>()
  // In the scope of a plugin: after the hooks of those that forward, while connections are still taken.
  const before = (app: FastifyInstance) =>
    void app.register(async (inner) => void inner.addHook('preClose', () => mayGoOn))
  const { app, port } = await gatewayFor(t, [{ prefix: '/ws', upstream: service.url, websocket: true }], { before })
  const waiting = openRaw(port)
  t.teardown(() => waiting.socket.destroy())
  waiting.socket.write(handshake('/ws'))
  await eventually('it waits for its service', () => service.heads.length === 1)
  const closed = app.close()
  await eventually('it is answered', () => waiting.text !== '')
  const late = await sendRaw(port, handshake('/ws'))
  goOn()
  t.match([waiting.text, late.text], [/^HTTP\/1\.1 503 /, /^HTTP\/1\.1 503 /])
  await closed
  t.equal(service.heads.length, 1)
})
