// The socket that a primary holds for its workers: what of Node is private in it, and that it is bound, refuses what is taken, and
// accepts nothing by itself.
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { bindSocket } from '../../../src/process/listening-socket.ts'
import { accepts } from '../../support/processes/free-port.ts'

t.test('a socket is bound, listens with the first server it is given to, and stays open after that', async (t) => {
  const socket = await bindSocket({ host: '127.0.0.1', port: 0 })
  const { port } = socket.address
  t.ok(port > 0)
  t.notOk(await accepts(port), 'nobody listens yet')
  const server = createServer((client) =>
    client
      .on('error', () => undefined)
      .resume()
      .end(),
  ).listen(socket.handle)
  await once(server, 'listening')
  t.ok(await accepts(port))
  const closed = once(server, 'close')
  server.close()
  await closed
})

for (const host of ['127.0.0.1', 'localhost', '::1']) {
  t.test(`a port of ${host} that is taken is refused as listening refuses it`, async (t) => {
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    t.teardown(() => server.close())
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await t.rejects(bindSocket({ host, port }), { code: 'EADDRINUSE', port })
  })
}
