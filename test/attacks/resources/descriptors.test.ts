// Attacks on file descriptors: connections by the hundred that say nothing. Places for clients are bounded by what the process may
// open, so that services and the store are never without; and what is lacking here is never held against a service.
import { writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connectionsWithin, descriptorLimit, isLack } from '../../../plugins/errors/shortage.ts'
import { loadConfig } from '../../../src/config/index.ts'
import { gatewayFor, upstreamFor } from '../../plugins/forward/gateway.ts'
import { eventually } from '../../support/eventually.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { openRaw, type RawClient, sendRaw, statusesIn } from '../../support/raw-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

t.setTimeout(150_000)
const descriptors = 256
const host = 'Host: 127.0.0.1\r\n'

async function limitedGateway(t: Test, env: Record<string, string> = {}) {
  const service = await startFakeUpstream()
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  const route = { prefix: '/x', upstream: service.url, policy: 'public', ejection: { failures: 2, first: '60s' } }
  writeFileSync(file, JSON.stringify({ routes: [route] }))
  const settings = { CARDEA_CONFIG: file, CARDEA_DATA_DIR: join(folder, 'data'), ...env }
  const gateway = await GatewayProcess.start(settings, descriptors)
  t.teardown(async () => {
    await gateway.stop()
    await service.close()
  })
  return { gateway, service, port: Number(new URL(gateway.url).port) }
}

// Whether they are let in or turned away: half a head each.
function openHalf(t: Test, port: number, count: number): RawClient[] {
  const clients = Array.from({ length: count }, () => openRaw(port))
  for (const { socket } of clients) socket.write(`GET /x HTTP/1.1\r\n${host}`)
  t.teardown(() => {
    for (const { socket } of clients) socket.destroy()
  })
  return clients
}

async function ask(client: RawClient, target: string): Promise<number | undefined> {
  const before = statusesIn(client.text).length
  client.socket.write(`GET ${target} HTTP/1.1\r\n${host}\r\n`)
  await eventually('it is answered', () => statusesIn(client.text).length > before || client.closed, 30_000)
  return statusesIn(client.text)[before]
}

const linesOf = ({ output }: GatewayProcess, word: string) =>
  output.filter((line) => line.includes(`"outage":"${word}"`))

t.test('half-open connections take no descriptor from services, and who is connected is served', async (t) => {
  // A network that may hold all places.
  const { gateway, service, port } = await limitedGateway(t, { CARDEA_TRUSTED_PROXIES: '127.0.0.1' })
  const client = openRaw(port)
  t.teardown(() => void client.socket.destroy())
  t.equal(await ask(client, '/livez'), 200)
  const half = openHalf(t, port, 600)
  await eventually('those too many are turned away', () => half.filter(({ closed }) => closed).length > 500, 30_000)
  // Each on a connection of its own towards the service.
  for (const connection of service.connections) connection.destroy()
  for (let i = 0; i < 5; i += 1) t.equal(await ask(client, '/x'), 200)
  t.ok(half.filter(({ closed }) => !closed).length <= connectionsWithin(descriptors))
  t.equal(linesOf(gateway, 'connections').length, 1, 'one line of the log says so')
})

t.test('a lack of our own is 503, said once, and never held against a service', async (t) => {
  const service = await upstreamFor(t)
  const said: string[] = []
  const { url, app, port } = await gatewayFor(t, [
    {
      prefix: '/x',
      upstream: service.url,
      policy: 'public',
      websocket: true,
      ejection: { failures: 1, first: '60s' },
      health: { path: '/health', interval: '5ms', failures: 1 },
    },
  ])
  app.outages.noteLack = (what) => void said.push(what)
  const { connect } = Socket.prototype
  t.teardown(() => Object.assign(Socket.prototype, { connect }))
  for (const code of ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']) {
    t.equal((await fetch(`${url}/x`)).status, 200)
    for (const connection of service.connections) connection.destroy()
    said.length = 0
    // As node:net does where the system gives it no socket.
    Object.assign(Socket.prototype, {
      connect(this: Socket, ...args: unknown[]) {
        const isToService = JSON.stringify(args).includes(`"port":${service.port}`)
        if (!isToService) return Reflect.apply(connect, this, args)
        return this.destroy(Object.assign(new Error(code), { code }))
      },
    })
    const asks = 'Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
    const handshake = `${asks}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`
    for (const fields of ['Connection: close\r\n', handshake]) {
      const { text } = await sendRaw(port, `GET /x HTTP/1.1\r\n${host}${fields}\r\n`)
      t.same(statusesIn(text), [503], code)
      t.match(text, /retry-after: 1/i)
    }
    t.same(new Set(said), new Set([code]))
    Object.assign(Socket.prototype, { connect })
  }
  t.equal((await fetch(`${url}/x`)).status, 200, 'it was never out, and never sick')
})

t.test('the limit follows from what the process may open, unless it is set', async (t) => {
  t.same([0, 64, 256, 1024, 1_048_576].map(connectionsWithin), [16, 16, 96, 480, 524_256])
  t.ok(descriptorLimit() >= 256)
  const directory = '/nowhere'
  t.equal(loadConfig({ env: {}, directory }).limits.connections, connectionsWithin(descriptorLimit()))
  t.equal(loadConfig({ env: { CARDEA_LIMIT_CONNECTIONS: '7' }, directory }).limits.connections, 7)
})

t.test('only what can be lacking here is a lack', async (t) => {
  t.same(['EMFILE', 'connections', 'ECONNREFUSED', 'toString'].map(isLack), [true, true, false, false])
})
