// Tests of clients that close their side of a connection: of those that wait for their response, and of those that have left.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { eventually, repeatedly } from '../../support/eventually.ts'
import { startRawUpstream } from '../../support/upstream.ts'
import { gatewayFor } from '../forward/gateway.ts'

const response = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'

/** A service that responds when it is told to. */
async function sceneOf(t: Test) {
  const waiting: Socket[] = []
  const service = await startRawUpstream((socket) => void waiting.push(socket))
  t.teardown(() => service.close())
  const { port, ownBodies } = await gatewayFor(t, [{ prefix: '/x', upstream: service.url, policy: 'public' }])
  const respond = async (text = response) => {
    await eventually('the service is asked', () => waiting.length > 0)
    waiting.shift()?.write(text)
  }
  return { port, service, ownBodies, respond }
}

/** Sends bytes and closes this side. @returns what comes, when the other side has closed, too */
function halfClosed(port: number, bytes: string): { socket: Socket; text: Promise<string> } {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  let text = ''
  socket
    .on('error', () => {})
    .on('data', (part) => {
      text += part.toString('latin1')
    })
  socket.end(bytes)
  return { socket, text: once(socket, 'close').then(() => text) }
}

t.test('a client that closes its side behind its request gets its response', async (t) => {
  const { port, ownBodies, respond } = await sceneOf(t)
  const requests = {
    GET: 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n',
    'a body': 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc',
    'HTTP/1.0': 'GET /x HTTP/1.0\r\nHost: x\r\n\r\n',
  }
  for (const [name, request] of Object.entries(requests)) {
    const { socket, text } = halfClosed(port, request)
    await once(socket, 'finish')
    await respond()
    t.match(await text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/, name)
  }
  t.match(await halfClosed(port, 'GET /own HTTP/1.1\r\nHost: x\r\n\r\n').text, /"own":true/)
  const own = 'POST /own HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'
  t.match(await halfClosed(port, own).text, /^HTTP\/1\.1 200 OK[\s\S]*"own":true/)
  t.equal(ownBodies.length, 1)
})

t.test('so it does for all that it has pipelined', async (t) => {
  const { port, respond } = await sceneOf(t)
  const { text } = halfClosed(port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3))
  for (let i = 0; i < 3; i += 1) await respond()
  t.equal((await text).split('HTTP/1.1 200 OK').length, 4)
})

t.test('one that waits for long is asked whether it is there, and gets its response', async (t) => {
  const { port, respond } = await sceneOf(t)
  const { socket, text } = halfClosed(port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  await respond()
  t.match(await text, /^(HTTP\/1\.1 100 Continue\r\n\r\n){1,2}HTTP\/1\.1 200 OK\r\n[\s\S]*hi$/)
})

t.test('one that has left frees the service soon, though it said nothing but that it closes', async (t) => {
  const { port, service } = await sceneOf(t)
  const client = connect({ host: '127.0.0.1', port })
  client.write('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually('the service is asked', () => service.heads.length === 1)
  client.destroy()
  await eventually('the service is free', () => service.connections[0]?.destroyed === true)
  t.pass('it is')
})

t.test('so does one in the middle of a response that stands still; what moves goes on', async (t) => {
  const { port, service, respond } = await sceneOf(t)
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nhi'
  const { text } = halfClosed(port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
  await respond(begun)
  const moving = halfClosed(port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
  await respond(begun)
  await eventually('both are with the service', () => service.connections.length === 2)
  repeatedly(t, 100, () => service.connections[1]?.write('.'))
  t.match(await text, /hi$/)
  await eventually('the service is free', () => service.connections[0]?.destroyed === true)
  t.equal(moving.socket.destroyed, false)
  moving.socket.destroy()
  await eventually('who has left is noticed at the next byte', () => service.connections[1]?.destroyed === true)
})

t.test('an event stream ends when its client closes its side: there is nothing else to wait for', async (t) => {
  const { port, service, respond } = await sceneOf(t)
  const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  client.on('error', () => {})
  client.write('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
  await respond('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
  repeatedly(t, 100, () => service.connections[0]?.write('data: 2\n\n'))
  await once(client, 'data')
  client.resume().end()
  await once(client, 'close')
  await eventually('the service is free', () => service.connections[0]?.destroyed === true)
  t.pass('it is')
})

t.test('half a request is no request, whoever waits behind it', async (t) => {
  const { port, service } = await sceneOf(t)
  for (const half of [
    'GET /x HTTP/1.1\r\nHost',
    'POST /own HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\nabc',
  ]) {
    t.match(await halfClosed(port, half).text, /^(HTTP\/1\.1 400 [\s\S]*)?$/)
  }
  t.equal(service.heads.length, 0)
})
