// Tests of handshakes that the service refuses: its response reaches the client, as that to any request.
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../../plugins/forward/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { openRaw, sendRaw } from '../../../support/raw-client.ts'
import { standsStill, startRawUpstream } from '../../../support/upstream.ts'
import { gatewayFor } from '../gateway.ts'

const handshake = [
  'GET /ws HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '',
  '',
].join('\r\n')

async function sceneOf(t: Test, respond: string | ((socket: Socket) => void), more: Partial<RouteConfig> = {}) {
  const service = await startRawUpstream((socket) =>
    typeof respond === 'string' ? void socket.write(respond, 'latin1') : respond(socket),
  )
  t.teardown(() => service.close())
  const route = { prefix: '/ws', upstream: service.url, policy: 'public' as const, websocket: true, ...more }
  const gateway = await gatewayFor(t, [route])
  const [compiled] = gateway.app.forwardedRoutes
  if (compiled === undefined) throw new Error('one route')
  return { ...gateway, service, meter: compiled.meter, instance: compiled.instances[0] }
}

t.test('whatever a service says instead of switching reaches the client', async (t) => {
  const responses = {
    '400 Bad Request': 'X-Why: subprotocol',
    '401 Unauthorized': 'WWW-Authenticate: Basic realm="theirs"',
    '403 Forbidden': 'X-Why: no',
    '404 Not Found': 'X-Why: none',
    '405 Method Not Allowed': 'Allow: POST',
    '426 Upgrade Required': 'Sec-WebSocket-Version: 13, 8',
    '429 Slow Down': 'Retry-After: 7',
    '302 Found': 'Location: /elsewhere',
    '500 Internal Server Error': 'Content-Type: text/event-stream',
    '503 Service Unavailable': 'Retry-After: 9',
    '200 OK': 'Content-Type: text/html',
    '204 No Content': 'X-Why: odd',
  }
  for (const [status, field] of Object.entries(responses)) {
    const hasBody = !status.startsWith('204')
    const body = hasBody ? 'Content-Length: 4\r\n\r\nbody' : '\r\n'
    const { port, meter, instance } = await sceneOf(t, `HTTP/1.1 ${status}\r\n${field}\r\n${body}`, { maxStreams: 1 })
    const { text, closed } = await sendRaw(port, handshake)
    t.ok(text.startsWith(`HTTP/1.1 ${status}\r\n`), text)
    t.ok(text.toLowerCase().includes(field.toLowerCase()), field)
    t.match(text, /\r\nconnection: close\r\n/i)
    t.match(text, hasBody ? /\r\n\r\nbody$/ : /\r\n\r\n$/)
    t.ok(closed)
    t.match({ responses: [...meter.responses], failed: meter.failed, left: meter.left }, { failed: 0, left: 0 })
    t.equal(meter.responses[Number(status[0])], 1, status)
    t.equal(instance?.streams, 0, 'its place is free')
  }
})

t.test('in chunks, slowly, and with what looks like a switch in it', async (t) => {
  const switching =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n'
  const { port, service } = await sceneOf(t, (socket) => {
    socket.write(`HTTP/1.1 403 Forbidden\r\n${switching}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n`)
    setImmediate(() => socket.write('3\r\nllo\r\n0\r\n\r\n'))
  })
  const { text } = await sendRaw(port, `${handshake}GET /ws/smuggled HTTP/1.1\r\nHost: x\r\n\r\n`)
  t.match(text, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*\r\n\r\n\d\r\nhe(\r\n3\r\n)?llo\r\n0\r\n\r\n$/)
  t.notMatch(text, /upgrade/i)
  t.equal(service.heads.length, 1, 'what stood behind the handshake is nothing')
})

t.test('a long one is held back by a slow client, and a client that leaves frees the service', async (t) => {
  let sent = 0
  const { port, service, instance } = await sceneOf(t, (socket) => {
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000\r\n\r\n')
    const fill = () => {
      while (!socket.destroyed && sent < 64 * 1_048_576) {
        sent += 65_536
        if (!socket.write(Buffer.alloc(65_536))) return void socket.once('drain', fill)
      }
    }
    fill()
  })
  const client = openRaw(port)
  client.socket.write(handshake)
  await eventually('it begins', () => client.text.includes('\r\n\r\n'))
  client.socket.pause()
  await standsStill('what the service could send', () => sent)
  const still = sent
  for (let look = 0; look < 5; look += 1) await standsStill('and goes on doing so', () => sent)
  t.equal(sent, still, 'nothing more is taken while nobody reads')
  t.ok(sent < 32 * 1_048_576, `${sent} bytes were taken`)
  client.socket.resetAndDestroy()
  await eventually('the service is free', () => service.connections[0]?.destroyed === true && instance?.streams === 0)
})

t.test('one that breaks off breaks off at the client, and a bad one is 502', async (t) => {
  const broken = await sceneOf(t, (socket) => {
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello', () => socket.destroy())
  })
  const { text, closed } = await sendRaw(broken.port, handshake)
  t.match(text, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*hello$/)
  t.ok(closed)
  t.equal(broken.meter.broken, 1)
  const bad = await sceneOf(t, 'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n')
  t.match((await sendRaw(bad.port, handshake)).text, /^HTTP\/1\.1 502 Bad Gateway\r\n/)
})

t.test('one that goes silent is cut', async (t) => {
  const { port } = await sceneOf(t, 'HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhello', {
    timeouts: { bodyIdle: '100ms' },
  })
  const { text, closed } = await sendRaw(port, handshake)
  t.match(text, /hello$/)
  t.ok(closed)
})
