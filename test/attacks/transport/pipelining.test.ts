// Attacks by pipelining: requests by the thousand on one connection, of which no response is read. What one connection has
// unanswered is bounded, whatever it asks for, and what it leaves unread costs neither descriptors nor copies.
import { readdirSync } from 'node:fs'
import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { gatewayFor } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { startGateway } from '../../support/gateway.ts'
import { openRaw, statusesIn } from '../../support/raw-client.ts'
import { standsStill } from '../../support/upstream.ts'

t.setTimeout(110_000)
const host = 'Host: gateway\r\n'
const connections = 10
/** The one whose response is being written, and those behind it. */
const atOnce = 17

/** A gateway of whose route `/held` the test lets the responses go. */
async function holding(t: Test) {
  const held: FastifyReply[] = []
  let begun = 0
  const { port } = await gatewayFor(t, [], {
    before: (app) => {
      app.get('/held', (_request, reply) => {
        begun += 1
        held.push(reply)
      })
      app.post('/held', (request, reply) => {
        begun += 1
        held.push(reply.header('x-length', JSON.stringify(request.body).length))
      })
    },
  })
  const closeServer = () => held.shift()?.send({})
  return { port, held, closeServer, begun: () => begun }
}

t.test('of what one connection pipelines, so much is worked on at once, and all is answered', async (t) => {
  const { port, held, closeServer, begun } = await holding(t)
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  client.socket.write(`GET /held HTTP/1.1\r\n${host}\r\n`.repeat(100))
  await standsStill('what has begun', begun)
  t.equal(held.length, atOnce)
  for (let responded = 1; responded <= 100; responded += 1) {
    closeServer()
    await eventually('it is answered', () => statusesIn(client.text).length === responded)
    t.ok(held.length <= atOnce)
  }
  t.same(new Set(statusesIn(client.text)), new Set([200]))
  client.socket.write(`GET /own HTTP/1.1\r\n${host}\r\n`)
  await eventually('the connection serves on', () => statusesIn(client.text).length === 101)
})

t.test('while requests of a connection wait for their turn, nothing more of it is read', async (t) => {
  const { port, closeServer, begun } = await holding(t)
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  client.socket.write(`GET /held HTTP/1.1\r\n${host}\r\n`.repeat(atOnce + 1))
  await standsStill('what has begun', begun)
  // More than the kernel keeps for both sides.
  const body = JSON.stringify('x'.repeat(900_000))
  const post = `POST /held HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  for (let i = 0; i < 20; i += 1) client.socket.write(post)
  await standsStill('what is not taken', () => client.socket.writableLength)
  t.ok(client.socket.writableLength > 5_000_000, `${client.socket.writableLength} bytes wait at the client`)
  for (let responded = 1; responded <= atOnce + 21; responded += 1) {
    await eventually('there is one to answer', () => begun() >= responded)
    closeServer()
    await eventually('it is answered', () => statusesIn(client.text).length === responded, 20_000)
  }
  t.same(client.text.match(/x-length: \d+/g), Array(20).fill(`x-length: ${body.length}`), 'bodies came whole')
})

t.test('a connection that pipelines without end is ended', async (t) => {
  const { port, held, begun } = await holding(t)
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  client.socket.write(`GET /held HTTP/1.1\r\n${host}\r\n`.repeat(1000))
  await eventually('it is over', () => client.closed)
  t.equal(begun(), atOnce)
  for (const reply of held) reply.send({})
  t.equal(statusesIn(client.text).length, 0)
})

t.test('what waits for its turn on a connection that is reset never begins', async (t) => {
  const { port, held, begun } = await holding(t)
  const client = openRaw(port)
  client.socket.write(`GET /held HTTP/1.1\r\n${host}\r\n`.repeat(60))
  await standsStill('what has begun', begun)
  client.socket.resetAndDestroy()
  // The reset is noticed by the first write.
  for (const reply of held.splice(0)) reply.send('x'.repeat(100_000))
  const other = openRaw(port)
  t.teardown(() => void other.socket.destroy())
  other.socket.write(`GET /own HTTP/1.1\r\n${host}\r\n`)
  await eventually('others are served', () => statusesIn(other.text).length === 1)
  t.ok(begun() < 60, `${begun()} have begun`)
})

t.test('static files and the document, asked for by the thousand and not read, are held once', async (t) => {
  const { app } = await startGateway(t, { config: { docs: true } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const port = Number(new URL(app.listeningOrigin).port)
  const targets = ['/ops/modules/uplot.js', '/docs/static/swagger-ui-bundle.js', '/docs/json']
  for (const target of targets) {
    // Read once, as it is.
    const { body, statusCode, headers } = await app.inject(target)
    t.equal(statusCode, 200, target)
    const before = { descriptors: descriptors(), bytes: process.memoryUsage.rss() }
    const clients = Array.from({ length: connections }, () => openRaw(port))
    for (const { socket } of clients) {
      socket.pause()
      socket.write(`GET ${target} HTTP/1.1\r\n${host}\r\n`.repeat(200))
    }
    const served = openRaw(port)
    served.socket.write(`GET ${target} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
    await eventually(`${target}: another is served`, () => served.closed, 60_000)
    t.ok(served.text.length > body.length, target)
    // Two sides of each connection are in this process.
    t.ok(
      descriptors() - before.descriptors < 2 * connections + 8,
      `${target}: ${descriptors() - before.descriptors} descriptors`,
    )
    const growthMib = (process.memoryUsage.rss() - before.bytes) / 2 ** 20
    t.ok(growthMib < 100, `${target}: ${growthMib} MiB`)
    for (const { socket } of clients) socket.destroy()
    const again = await app.inject({ url: target, headers: { 'if-none-match': `"x", W/${headers.etag}` } })
    t.same([again.statusCode, again.body], [304, ''], `${target}: who has it gets it no second time`)
    t.equal((await app.inject({ url: target, method: 'HEAD' })).statusCode, 200)
  }
})

function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}
