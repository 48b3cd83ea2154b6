// Answers that come before the request is whole: by a policy, a limit or the service. The client hears them, and what is left of
// its body is nobody's request.
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { openRaw, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { startRawUpstream, startStreamingUpstream } from '../../support/upstream.ts'
import { gatewayFor } from './gateway.ts'

t.test('an early response to an upload closes the connection, since the rest of it is not read', async (t) => {
  const upstream = await startStreamingUpstream((_request, response) => {
    response.writeHead(403).end('no')
  })
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  const response = await sendRaw(port, ['POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n', 'begin'])
  t.match(response, { text: /^HTTP\/1.1 403 [\s\S]*connection: close/i, closed: true })
})

t.test(
  'an early response of a service that closes at once is read, although the upload has failed by then',
  async (t) => {
    const parts = 200
    const part = Buffer.alloc(65_536, 'x')
    const upstream = await startStreamingUpstream((_request, response) => {
      response.writeHead(403, { connection: 'close' }).end('no')
    })
    t.teardown(() => upstream.close())
    const { port } = await gatewayFor(t, [
      { prefix: '/x', upstream: upstream.url, policy: 'public', bodyLimitBytes: parts * part.length },
    ])
    for (let i = 0; i < 10; i += 1) {
      const client = openRaw(port)
      t.teardown(() => client.socket.destroy())
      client.socket.write(`POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: ${parts * part.length}\r\n\r\n`)
      for (let sent = 0; sent < parts; sent += 1) client.socket.write(part)
      await eventually('it is over', () => client.closed)
      t.strictSame(statusesIn(client.text), [403])
    }
  },
)

t.test('a client that is still sending gets an early response, not a reset, and nothing else is read', async (t) => {
  const upstream = await startRawUpstream((socket) => socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno'))
  t.teardown(() => upstream.close())
  const { port } = await gatewayFor(t, [
    { prefix: '/service', upstream: upstream.url, policy: 'public' },
    { prefix: '/refused', upstream: upstream.url },
    { prefix: '/small', upstream: upstream.url, policy: 'public', bodyLimitBytes: 70_000 },
  ])
  const smuggled = 'GET /service/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const [path, status] of [
    ['/service', 403],
    ['/refused', 401],
    ['/small', /403|413/],
  ] as const) {
    for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
      const title = `${path} ${framing}`
      const { length } = upstream.heads
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
      t.teardown(() => socket.destroy())
      let text = ''
      const errors: Error[] = []
      socket.on('data', (part) => {
        text += part.toString('latin1')
      })
      socket.on('error', (error) => errors.push(error))
      const part = framing.startsWith('T') ? `10000\r\n${'x'.repeat(65_536)}\r\n` : 'x'.repeat(65_536)
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${part}`)
      await once(socket, 'end')
      t.match([errors, statusesIn(text)], [[], [status]], title)
      for (let i = 0; i < 16; i += 1) await new Promise((resolve) => socket.write(part, resolve))
      await new Promise((resolve) => socket.write(`0\r\n\r\n${smuggled}`, resolve))
      t.strictSame(errors, [], `${title}: all of it is taken`)
      await eventually(`${title}: it ends although the client does not`, () => {
        socket.write('x')
        return socket.destroyed
      })
      t.equal(statusesIn(text).length, 1, title)
      t.ok(upstream.heads.length <= length + 1, title)
    }
  }
})
