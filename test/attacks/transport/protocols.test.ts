// Request lines of other protocols (RFC 9112 section 2.3): whatever the parser makes of them, they are refused with 400 and the
// connection ends, nothing reaches a service and nothing is done.
import type { Socket } from 'node:net'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { openRaw, statusesIn } from '../../support/raw-client.ts'
import { openWire } from './wire.ts'

const { attack, gateway } = await openWire(t)
const fields = 'Host: gateway\r\nAuthorization: Bearer alice\r\n'

const lines = [
  ...[
    'ANNOUNCE',
    'DESCRIBE',
    'SETUP',
    'PLAY',
    'PAUSE',
    'TEARDOWN',
    'GET_PARAMETER',
    'SET_PARAMETER',
    'REDIRECT',
    'RECORD',
  ].flatMap((method) => [`${method} /orders/1 RTSP/1.0`, `${method} /nowhere RTSP/1.0`, `${method} * RTSP/1.0`]),
  ...['GET', 'POST', 'OPTIONS'].flatMap((method) => [`${method} /orders/1 RTSP/1.0`, `${method} /own RTSP/1.0`]),
  ...[
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/3.0',
    'ICE/1.0',
    'SIP/2.0',
    'http/1.1',
    'HTTP/1.1x',
    'HTTP/11',
    'HTTP/1',
  ].map((version) => `GET /orders/1 ${version}`),
  'GET /orders/1',
]

for (const line of lines) {
  t.test(`${line}: 400 and close`, async (t) => {
    gateway.ownBodies.length = 0
    const behind = `GET /open/behind HTTP/1.1\r\n${fields}\r\n`
    const { statuses, closed, reached, text } = await attack(`${line}\r\n${fields}\r\n${behind}`)
    t.equal(statuses[0], 400, text)
    t.notOk(
      statuses.some((status) => status !== 400),
      'what is behind it is not served',
    )
    t.match(text, /connection: close/i)
    t.ok(closed)
    t.same(reached, [])
    t.same(gateway.ownBodies, [])
  })
}

t.test('SOURCE is a method of ICE that HTTP does not have', async (t) => {
  const { statuses, reached } = await attack(`SOURCE /orders/1 ICE/1.0\r\n${fields}Connection: close\r\n\r\n`)
  t.match(statuses, [/^(400|501)$/])
  t.same(reached, [])
})

t.test('an honest client of HTTP/1.0 is served, whatever its body says of other protocols', async (t) => {
  const body = 'GET /other RTSP/1.0\r\n\r\n'
  const head = `POST /orders/1 HTTP/1.0\r\n${fields}Content-Length: ${body.length}\r\n\r\n`
  const { statuses, reached } = await attack(head + body)
  t.same(statuses, [200])
  t.same(reached, ['/orders/1'])
})

// Each part is read before the next one is sent.
async function sendInParts(parts: string[]): Promise<{ text: string; closed: boolean }> {
  let bytesRead = () => 0
  gateway.app.server.once('connection', (socket: Socket) => {
    bytesRead = () => socket.bytesRead
  })
  const client = openRaw(gateway.port)
  let sent = 0
  for (const part of parts) {
    client.socket.write(part)
    sent += part.length
    await eventually('the part is read', () => client.closed || bytesRead() === sent)
  }
  await eventually('the connection ends', () => client.closed)
  return { text: client.text, closed: client.closed }
}

const splits = (line: string, end: string) => [
  [`${line.slice(0, 3)}`, `${line.slice(3)}\r\n${end}`],
  [line.slice(0, -6), `${line.slice(-6)}\r\n${end}`],
  [`${line}\r\n`, end],
  [`${line}\r\n${end.slice(0, 20)}`, end.slice(20)],
]

t.test('a message of RTSP that comes in parts is refused by its sequence number', async (t) => {
  gateway.ownBodies.length = 0
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    for (const parts of splits(`${method} /own RTSP/1.0`, `${fields}cSeq: 1\r\n\r\n`)) {
      const { text } = await sendInParts(parts)
      t.same(statusesIn(text), [400], JSON.stringify(parts))
      t.match(text, /connection: close/i)
    }
  }
  t.same(gateway.ownBodies, [])
})

t.test('so is one of RTSP/1.1, whole or in parts, which a parser takes for HTTP/1.1', async (t) => {
  gateway.ownBodies.length = 0
  for (const method of ['GET', 'POST', 'OPTIONS']) {
    const [line, end] = [`${method} /own RTSP/1.1`, `${fields}cSeq: 1\r\n\r\n`]
    for (const parts of [[`${line}\r\n${end}`], ...splits(line, end)]) {
      const { text } = await sendInParts(parts)
      t.same(statusesIn(text), [400], JSON.stringify(parts))
      t.match(text, /connection: close/i)
    }
  }
  t.same(gateway.ownBodies, [])
})

t.test('a request of HTTP/1.1 may have a field of that name', async (t) => {
  const { statuses, reached } = await attack(`GET /orders/1 HTTP/1.1\r\n${fields}CSeq: 1\r\nConnection: close\r\n\r\n`)
  t.same(statuses, [200])
  t.same(reached, ['/orders/1'])
})

t.test('an honest client of HTTP/1.0 is served, however its message comes in parts', async (t) => {
  for (const parts of splits('GET /own HTTP/1.0', `${fields}\r\n`)) {
    t.same(statusesIn((await sendInParts(parts)).text), [200], JSON.stringify(parts))
  }
})
