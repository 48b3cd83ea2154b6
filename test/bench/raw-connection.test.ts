// The raw connection of the benches: a load that takes a wrong response for a fast one would make every figure a lie.
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { RawConnection, requestText } from '../../bench/load/raw-connection.ts'

const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** A server that hands each request to `response`. @returns its URL */
async function startServer(t: Test, response: (socket: Socket, request: string) => void): Promise<string> {
  const server = createServer((socket) => socket.on('data', (bytes) => response(socket, bytes.toString())))
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  t.teardown(() => server.close())
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

/** Asks once. @returns the body. @throws what the connection failed with */
async function ask(t: Test, url: string, body?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const connection = await RawConnection.open(url, reject)
  t.teardown(() => connection.close())
  connection.ask(requestText(url, '/path', { authorization: 'Bearer x' }, body), (bytes) => resolve(bytes.toString()))
  return promise
}

t.test('a response is its body, however it was cut on the way', async (t) => {
  const body = 'x'.repeat(100_000)
  const whole = await startServer(t, (socket) => void socket.write(ok(body)))
  t.equal(await ask(t, whole), body)
  const inPieces = await startServer(t, (socket) => {
    const [head = ''] = ok('two pieces').split('two')
    socket.write(head, () => setImmediate(() => socket.write('two pieces')))
  })
  t.equal(await ask(t, inPieces), 'two pieces')
})

t.test('a connection carries one exchange after the other', async (t) => {
  const url = await startServer(t, (socket, request) => void socket.write(ok(request.split('\r\n', 1)[0] ?? '')))
  const { promise, resolve, reject } = Promise.withResolvers<string[]>()
  const connection = await RawConnection.open(url, reject)
  t.teardown(() => connection.close())
  connection.ask(requestText(url, '/first', {}), (first) => {
    const heard = first.toString()
    connection.ask(requestText(url, '/second', {}), (second) => resolve([heard, second.toString()]))
  })
  t.strictSame(await promise, ['GET /first HTTP/1.1', 'GET /second HTTP/1.1'])
})

t.test('a body makes it a POST of JSON that says its length', async (t) => {
  const url = await startServer(t, (socket, request) => void socket.write(ok(request)))
  t.match(
    await ask(t, url, '{"a":1}'),
    /^POST \/path .*authorization: Bearer x.*json.*content-length: 7\r\n\r\n{"a":1}$/s,
  )
})

t.test('whatever is not 200, framed and asked for is a failure', async (t) => {
  const refused = await startServer(t, (socket) => void socket.write('HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n'))
  await t.rejects(ask(t, refused), /401/)
  const unframed = await startServer(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nendless'))
  await t.rejects(ask(t, unframed), /endless/)
  const closed = await startServer(t, (socket) => void socket.end())
  await t.rejects(ask(t, closed), /closed/)
  const twice = await startServer(t, (socket) => void socket.write(ok('one') + ok('two')))
  await t.rejects(ask(t, twice), /nobody asked/)
})
