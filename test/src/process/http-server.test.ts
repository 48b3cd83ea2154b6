// Kept connections of the one server of a process: how long they stay, how many, and which leaves first. The server is real, the
// app behind it is the one of the tests.
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { AppServer } from '../../../src/process/http-server.ts'
import { limits } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw, type RawClient, statusesIn } from '../../support/raw-client.ts'

interface Places {
  connections?: number
  idle?: number
  trusted?: string[]
}

async function sceneOf(t: Test, { connections = 1000, idle = 1000, trusted = ['127.0.0.0/8'] }: Places = {}) {
  const server = new AppServer({ ...limits, keepAliveTimeoutMs: 75_000 })
  server.letIn({ connections, idleConnections: idle }, trusted)
  const slot = server.newSlot()
  const app = Fastify({ serverFactory: slot.serverFactory })
  const held: (() => void)[] = []
  app.get('/quick', async () => 'quick')
  app.get('/held', async () => await new Promise<string>((resolve) => held.push(() => resolve('held'))))
  await app.ready()
  server.serveBy(slot)
  await new Promise<void>((resolve) => server.server.listen(0, '127.0.0.1', resolve))
  // Boundary of the test: it listens on TCP.
  const { port } = server.server.address() as AddressInfo
  const clients: RawClient[] = []
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy()
    server.server.close()
  })
  const open = (localAddress = '127.0.0.1') => {
    const client = openRaw(port, localAddress)
    clients.push(client)
    return client
  }
  /** A connection that has had so many responses and is kept. */
  const ask = async (client: RawClient = open(), path = '/quick') => {
    const before = statusesIn(client.text).length
    client.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    if (path === '/quick') await eventually('the response', () => statusesIn(client.text).length > before)
    else await eventually('the request', () => held.length > 0)
    return client
  }
  return { server, ask, open, held }
}

const openOf = (clients: readonly RawClient[]) => clients.map(({ closed }) => (closed ? 'gone' : 'kept'))

t.test('a kept connection is told how long it is kept', async (t) => {
  const { ask } = await sceneOf(t)
  t.match((await ask()).text, /\r\nKeep-Alive: timeout=75\r\n/i)
})

t.test('beyond the number of idle connections the one that was idle for the longest leaves', async (t) => {
  const { ask } = await sceneOf(t, { idle: 3 })
  const [first, second, third] = [await ask(), await ask(), await ask()]
  await ask(first)
  const fourth = await ask()
  await eventually('one has left', () => second.closed)
  t.same(openOf([first, second, third, fourth]), ['kept', 'gone', 'kept', 'kept'])
  const fifth = await ask()
  await eventually('another has left', () => third.closed)
  t.same(openOf([first, fourth, fifth]), ['kept', 'kept', 'kept'])
})

t.test('a connection on which a response is owed is not idle', async (t) => {
  const { ask, open, held } = await sceneOf(t, { idle: 1 })
  const busy = await ask()
  await ask(busy, '/held')
  const other = await ask()
  await ask(other)
  const last = await ask()
  await eventually('the idle one has left', () => other.closed)
  t.same(openOf([busy, last]), ['kept', 'kept'])
  // Nor one that has said nothing yet, whose time is another.
  const silent = open()
  for (const release of held.splice(0)) release()
  await eventually('the response', () => busy.text.endsWith('held'))
  await eventually('the one that is idle for longer has left', () => last.closed)
  await ask(silent)
  t.notOk(silent.closed)
})

t.test('a pipelined request that waits keeps its connection', async (t) => {
  const { ask, open, held } = await sceneOf(t, { idle: 1 })
  const busy = open()
  busy.socket.write('GET /quick HTTP/1.1\r\nHost: a\r\n\r\nGET /held HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually('the first response', () => busy.text.endsWith('quick') && held.length > 0)
  const [second, third] = [await ask(), await ask()]
  await eventually('an idle one has left', () => second.closed)
  t.same(openOf([busy, third]), ['kept', 'kept'])
})

t.test('where all places are taken, an idle connection makes room for a new client', async (t) => {
  const { ask } = await sceneOf(t, { connections: 16 })
  const clients: RawClient[] = []
  for (let i = 0; i < 40; i += 1) {
    clients.push(await ask())
    await eventually('there is room again', () => clients.filter(({ closed }) => !closed).length < 16)
  }
  t.ok(clients.every(({ text }) => statusesIn(text).length === 1))
  t.notOk(clients.at(-1)?.closed)
  t.ok(clients[0]?.closed)
})

t.test('clients that say nothing push out none that was served', async (t) => {
  const { ask, open, server } = await sceneOf(t, { connections: 32 })
  const kept = [await ask(), await ask(), await ask()]
  const silent = Array.from({ length: 40 }, () => open())
  await eventually('those too many are turned away', () => silent.filter(({ closed }) => closed).length >= 11)
  t.same(openOf(kept), ['kept', 'kept', 'kept'])
  t.ok(server.connections <= 32)
  for (const client of kept) await ask(client)
})

t.test('a network that holds its share makes room by an idle connection of its own', async (t) => {
  const { ask, open, held } = await sceneOf(t, { connections: 20, trusted: [] })
  const others = await ask(open('127.0.0.2'))
  const own: RawClient[] = []
  for (let i = 0; i < 10; i += 1) own.push(await ask(open('127.0.0.3')))
  const eleventh = await ask(open('127.0.0.3'))
  await eventually('its oldest has left', () => own[0]?.closed === true)
  t.same(
    openOf([others, eleventh, ...own.slice(1)]),
    Array.from({ length: 11 }, () => 'kept'),
  )
  for (const one of [...own.slice(1), eleventh]) {
    one.socket.write('GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
  }
  await eventually('all are busy', () => held.length === 10)
  const turnedAway = open('127.0.0.3')
  await eventually('one too many is turned away', () => turnedAway.closed)
  t.notOk(others.closed)
})
