// Requests that cross the end of a kept connection: which are sent once more, which are not, and what a 408 means there. The service
// speaks bytes, and says on which request of a connection it does what.
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, sendRaw } from '../../support/raw-client.ts'
import { startRawUpstream } from '../../support/upstream.ts'
import { gatewayFor } from './gateway.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const timeout = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlate'

type Act = (socket: Socket) => void
const end: Act = (socket) => void socket.end()
const reset: Act = (socket) => void socket.resetAndDestroy()
const say408: Act = (socket) => void socket.end(timeout)

/** A service that responds to the first request of its first connection, then acts; and responds on every other connection. */
async function sceneOf(
  t: Test,
  act: Act,
  { always = false, ...changes }: Partial<RouteConfig> & { always?: boolean } = {},
) {
  const service = await startRawUpstream((socket, head, number) => {
    if (/^warm /i.test(head.split(' /x/')[1] ?? '')) socket.write(ok)
    else if (number > 1 || always) act(socket)
    else socket.write(ok)
  })
  t.teardown(() => service.close())
  const route = { prefix: '/x', upstream: service.url, policy: 'public', retries: 0, ...changes } as const
  const { port } = await gatewayFor(t, [route])
  const send = async (line: string, body?: string) => {
    const framing = body === undefined ? '' : `Content-Length: ${body.length}\r\n`
    const { text } = await sendRaw(
      port,
      `${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${framing}\r\n${body ?? ''}`,
    )
    return { status: Number(text.slice(9, 12)), text }
  }
  const warm = async () => {
    t.match(await send('GET /x/warm'), { status: 200 })
    service.heads.length = 0
  }
  const lines = () => service.heads.map((head) => head.split(' HTTP', 1)[0])
  return { service, port, send, warm, lines }
}

for (const [how, act] of Object.entries({ end, reset })) {
  t.test(`a kept connection that closes before a byte (${how}): what is idempotent is sent once more`, async (t) => {
    for (const [line, body] of [
      ['GET /x/1', undefined],
      ['DELETE /x/1', undefined],
      ['PUT /x/1', undefined],
      ['PUT /x/1', 'hello'],
      ['DELETE /x/1', 'hello'],
      ['PUT /x/1', 'h'.repeat(60_000)],
    ] as const) {
      const { service, send, warm, lines } = await sceneOf(t, act)
      await warm()
      t.match(await send(line, body), { status: 200 }, line)
      t.strictSame(lines(), [line, line])
      t.equal(service.connections.length, 2)
    }
  })

  t.test(`a kept connection that closes before a byte (${how}): what may have been carried out is not`, async (t) => {
    for (const [line, body] of [
      ['POST /x/1', undefined],
      ['POST /x/1', 'hello'],
      ['PATCH /x/1', 'hello'],
      ['PUT /x/1', 'h'.repeat(70_000)],
    ] as const) {
      const { send, warm, lines } = await sceneOf(t, act)
      await warm()
      t.match(await send(line, body), { status: 502 }, line)
      t.strictSame(lines(), [line])
    }
  })
}

t.test(
  'a connection of its own that closes before a byte says something: PUT and DELETE are not sent again',
  async (t) => {
    for (const [line, body] of [
      ['DELETE /x/1', undefined],
      ['PUT /x/1', 'hello'],
    ] as const) {
      const { send, lines } = await sceneOf(t, end, { always: true })
      t.match(await send(line, body), { status: 502 }, line)
      t.strictSame(lines(), [line])
    }
  },
)

t.test('what is sent once more is sent no third time', async (t) => {
  for (const [line, body] of [
    ['PUT /x/1', 'hello'],
    ['GET /x/1', undefined],
  ] as const) {
    const { send, warm, lines } = await sceneOf(t, end, { always: true })
    await warm()
    t.match(await send(line, body), { status: 502 })
    t.strictSame(lines(), [line, line])
  }
})

t.test('a 408 that crosses a request on a kept connection is no response to it, whatever the method', async (t) => {
  for (const [line, body] of [
    ['GET /x/1', undefined],
    ['POST /x/1', undefined],
    ['POST /x/1', 'hello'],
    ['PUT /x/1', 'hello'],
  ] as const) {
    const { send, warm, lines } = await sceneOf(t, say408)
    await warm()
    const { status, text } = await send(line, body)
    t.equal(status, 200, line)
    t.notMatch(text, /late/)
    t.strictSame(lines(), [line, line])
  }
})

t.test('a 408 is the service’s response on a connection of its own, and where the connection goes on', async (t) => {
  const fresh = await sceneOf(t, say408, { always: true })
  t.match(await fresh.send('POST /x/1', 'hello'), { status: 408, text: /late$/ })
  t.strictSame(fresh.lines(), ['POST /x/1'])
  const kept = await sceneOf(t, (socket) => void socket.write(timeout.replace('Connection: close\r\n', '')))
  await kept.warm()
  t.match(await kept.send('POST /x/1', 'hello'), { status: 408, text: /late$/ })
  t.strictSame(kept.lines(), ['POST /x/1'])
})

t.test('a 408 while a body is on its way is about that body', async (t) => {
  const { port, warm, lines } = await sceneOf(t, say408)
  await warm()
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  client.socket.write('POST /x/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe')
  await eventually('the response', () => client.text.includes('late'))
  t.match(client.text, /^HTTP\/1\.1 408 /)
  t.strictSame(lines(), ['POST /x/1'])
})

t.test('a stream of events has an idle limit of its own', async (t) => {
  const service = await startRawUpstream((socket, head) => {
    const type = head.includes('/events') ? 'text/event-stream' : 'text/plain'
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
  })
  t.teardown(() => service.close())
  const timeouts = { bodyIdle: '100ms', eventStreamIdle: '1s' }
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public', timeouts }])
  const [events, other] = ['/x/events', '/x/other'].map((path) => {
    const client = openRaw(port)
    t.teardown(() => void client.socket.destroy())
    client.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    return client
  })
  await eventually('any other body is cut', () => other?.closed === true)
  t.equal(events?.closed, false)
  t.match(events?.text, /abc/)
  await eventually('the stream is cut', () => events?.closed === true)
})
