// Tests of what the gateway uses of Node without its word: one test for each, which fails when Node does it otherwise. They
// are about Node, and need nothing of the gateway but the names.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import t, { type Test } from 'tap'
import {
  bindUnheard,
  bytesBeingParsed,
  endLastBy,
  openResponseOn,
  setUpgradeRule,
  stopListening,
  takeWriteErrors,
  upgradeRuleOf,
} from '../../../plugins/http-edge/node-internals.ts'
import { eventually } from '../../support/eventually.ts'
import { accepts } from '../../support/processes/free-port.ts'
import { drip, openRaw, statusesIn } from '../../support/raw-client.ts'

const head = 'HTTP/1.1\r\nHost: a\r\n'

async function serverFor(t: Test, listener: RequestListener) {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const client = openRaw(port)
  t.teardown(async () => {
    client.socket.destroy()
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  })
  return { server, client, port }
}

t.test('_httpMessage is the response that a connection is busy with, and nothing between two', async (t) => {
  const met: [IncomingMessage, ServerResponse][] = []
  const { client } = await serverFor(t, (request, response) => void met.push([request, response]))
  client.socket.write(`GET /1 ${head}\r\nGET /2 ${head}\r\n`)
  await eventually('both have come', () => met.length === 2)
  const [one, two] = met
  if (one === undefined || two === undefined) throw new Error('two requests were sent')
  const [{ socket }, first] = one
  const [, second] = two
  t.equal(openResponseOn(socket), first)
  t.equal(second.socket, null, 'the one behind it has no connection yet')
  first.end()
  await eventually('the second has the connection', () => openResponseOn(socket) === second)
  second.end()
  await eventually('it is free', () => openResponseOn(socket) === undefined)
})

t.test('destroySoon is what ends a connection behind its last response', async (t) => {
  let calls = 0
  const { client } = await serverFor(t, (request, response) => {
    endLastBy(request.socket, () => {
      calls += 1
      request.socket.end('and this')
    })
    response.end('last')
  })
  client.socket.write(`GET / ${head}Connection: close\r\n\r\n`)
  await eventually('it is over', () => client.closed)
  t.equal(calls, 1)
  t.match(client.text, /last.*and this$/s)
})

t.test('shouldUpgradeCallback says what stays a request', async (t) => {
  const { server, client, port } = await serverFor(t, (_request, response) => void response.end('a request'))
  t.equal(upgradeRuleOf({}), undefined)
  const rule = ({ url }: IncomingMessage) => url === '/switch'
  setUpgradeRule(server, rule)
  t.equal(upgradeRuleOf(server), rule)
  server.on('upgrade', (_request, socket: Socket) => socket.end('switched'))
  const other = openRaw(port)
  t.teardown(() => void other.socket.destroy())
  const asks = 'Connection: Upgrade\r\nUpgrade: x\r\n\r\n'
  client.socket.write(`GET /switch ${head}${asks}`)
  other.socket.write(`GET /stay ${head}${asks}`)
  await eventually('both are answered', () => client.text !== '' && other.text !== '')
  t.equal(client.text, 'switched')
  t.same(statusesIn(other.text), [200])
})

t.test('close of node:net leaves idle connections open', async (t) => {
  const { server, client } = await serverFor(t, (_request, response) => void response.end())
  client.socket.write(`GET / ${head}\r\n`)
  await eventually('it is answered and idle', () => statusesIn(client.text).length === 1)
  stopListening(server)
  t.notOk(server.listening)
  client.socket.write(`GET / ${head}\r\n`)
  await eventually('it is answered again', () => statusesIn(client.text).length === 2)
  t.notOk(client.closed)
})

t.test('_write and _writev tell of failed writes, and what was not read can still be', async (t) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    // Half of it unread: the end is a reset for whoever still writes.
    socket.once('data', () => socket.pause().end('said before', () => socket.destroy()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const address = server.address()
  const socket = connect({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 })
  const faults: Error[] = []
  let isClosed = false
  socket
    .on('error', () => undefined)
    .on('close', () => {
      isClosed = true
    })
  takeWriteErrors(socket, (error) => faults.push(error) > 0)
  await once(socket, 'connect')
  socket.pause()
  await drip(socket, 'x'.repeat(65_536), () => faults.length > 0, 1)
  t.equal(faults.length, 1)
  t.notOk(socket.destroyed, 'the socket is whole')
  socket.destroy()
  await eventually('it is closed by us', () => isClosed)
})

t.test('getCurrentBuffer is what is being parsed when a request is announced', async (t) => {
  const seen: string[] = []
  const { client } = await serverFor(t, ({ socket }, response) => {
    seen.push(bytesBeingParsed(socket).toString('latin1'))
    response.end()
  })
  const bytes = `GET /first ${head}\r\nGET /second ${head}\r\n`
  client.socket.write(bytes)
  await eventually('both are answered', () => statusesIn(client.text).length === 2)
  t.same(seen, [bytes, bytes])
})

t.test(
  '_createServerHandle binds a socket that accepts nothing, and that listens with a server that is given it',
  async (t) => {
    const bound = bindUnheard('127.0.0.1', 0, 4)
    if (typeof bound === 'number') throw new Error(getSystemErrorName(bound))
    const { port = 0 } = bound.address
    t.equal(bound.address.address, '127.0.0.1')
    t.notOk(await accepts(port))
    const server = createTcpServer((socket) => socket.on('error', () => undefined).end()).listen(bound.handle)
    await once(server, 'listening')
    t.ok(await accepts(port))
    const taken = bindUnheard('127.0.0.1', port, 4)
    t.equal(typeof taken === 'number' && getSystemErrorName(taken), 'EADDRINUSE')
    server.close()
    await once(server, 'close')
    const foreign = bindUnheard('203.0.113.7', 0, 4)
    t.equal(typeof foreign === 'number' && getSystemErrorName(foreign), 'EADDRNOTAVAIL')
  },
)
