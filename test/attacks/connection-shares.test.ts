// The attack on places for connections: one client opens as many as there can be and says nothing. It gets half of them, and
// everybody else is served. A trusted proxy stands for many clients, and may hold all.
import { EventEmitter } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConnectionShares } from '../../plugins/clients/connection-shares.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayProcess } from '../support/processes/gateway-process.ts'
import { openRaw, type RawClient, statusesIn } from '../support/raw-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

t.setTimeout(110_000)
const places = 40

async function gatewayWith(t: Test, config: object) {
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.json')
  const configure = (limits: object) => writeFileSync(file, JSON.stringify({ ...config, ...limits }))
  configure({ limits: { connections: places } })
  const settings = { CARDEA_CONFIG: file, CARDEA_DATA_DIR: join(folder, 'data'), CARDEA_HEADERS_TIMEOUT: '5m' }
  const gateway = await GatewayProcess.start({ ...settings, CARDEA_LOG_LEVEL: 'info' })
  t.teardown(() => gateway.stop())
  return { gateway, configure, port: Number(new URL(gateway.url).port) }
}

/** Opens connections that send half a head. @returns those that stay, when the others have been turned away */
async function hold(t: Test, port: number, from: string, count: number, stay: number): Promise<RawClient[]> {
  const clients = Array.from({ length: count }, () => openRaw(port, from))
  t.teardown(() => clients.map(({ socket }) => socket.destroy()))
  for (const { socket } of clients) socket.write('GET /livez HTTP/1.1\r\n')
  await eventually(`${stay} stay`, () => clients.filter(({ closed }) => !closed).length <= stay, 20_000)
  return clients.filter(({ closed }) => !closed)
}

async function isServed(port: number, from: string): Promise<boolean> {
  const client = openRaw(port, from)
  client.socket.write('GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
  await eventually('it is served or turned away', () => client.closed, 20_000)
  return statusesIn(client.text)[0] === 200
}

const linesOf = ({ output }: GatewayProcess, word: string) =>
  output.filter((line) => line.includes(`"outage":"${word}"`))

t.test('a client that opens as many connections as there can be does not keep out everybody else', async (t) => {
  const { gateway, port } = await gatewayWith(t, {})
  const held = await hold(t, port, '127.0.0.2', 2 * places, places / 2)
  t.equal(held.length, places / 2)
  t.ok(await isServed(port, '127.0.0.1'), 'another network is served')
  t.notOk(await isServed(port, '127.0.0.2'))
  t.equal(linesOf(gateway, 'share').length, 1, 'one line says so')
  // A place that is given back can be taken again.
  held[0]?.socket.destroy()
  await eventually('it may come again', () => isServed(port, '127.0.0.2'), 20_000)
})

t.test('a trusted proxy may hold all places', async (t) => {
  const { gateway, port } = await gatewayWith(t, { trustedProxies: ['127.0.0.2'] })
  // Whoever looked whether it is ready may have one.
  t.ok((await hold(t, port, '127.0.0.2', 2 * places, places)).length >= places - 2)
  t.equal(linesOf(gateway, 'share').length, 0)
  t.equal(linesOf(gateway, 'connections').length, 1)
})

t.test('a reload changes how many connections are let in, and who may hold all of them', async (t) => {
  const { gateway, configure, port } = await gatewayWith(t, {})
  const held = await hold(t, port, '127.0.0.2', places, places / 2)
  const reloads = () => gateway.output.filter((line) => line.includes('read anew and holds')).length
  configure({ limits: { connections: 3 * places } })
  await eventually('it is reloaded', () => reloads() === 1, 20_000)
  t.equal(
    (await hold(t, port, '127.0.0.2', 2 * places, places)).length,
    places,
    'half of the new number, with those that stayed',
  )
  t.ok(held.every(({ closed }) => !closed))
  configure({ limits: { connections: 3 * places }, trustedProxies: ['127.0.0.0/8'] })
  await eventually('it is reloaded', () => reloads() === 2, 20_000)
  t.ok(await isServed(port, '127.0.0.2'), 'a network that is a trusted proxy now')
})

// Boundary: of a connection nothing else is asked.
const from = (remoteAddress?: string) => Object.assign(new EventEmitter(), { remoteAddress }) as unknown as Socket

t.test('a network is an IPv4 address or a /48, and what it gives back can be taken', async (t) => {
  const shares = new ConnectionShares()
  shares.set(3, ['203.0.113.0/24', '2001:db8:9::/48'])
  const taken = from('192.0.2.1')
  t.ok(shares.take(taken))
  t.ok(shares.take(from('::ffff:192.0.2.1')), 'mapped into IPv6 it is the same')
  t.notOk(shares.take(from('192.0.2.1')), 'two of three are the half, rounded up')
  t.ok(shares.take(from('192.0.2.2')))
  for (const address of ['2001:db8:1:0::1', '2001:db8:1:ff00::2']) t.ok(shares.take(from(address)))
  t.notOk(shares.take(from('2001:db8:1:8000::3')))
  t.ok(shares.take(from('2001:db8:2::3')))
  for (const address of ['203.0.113.7', '2001:db8:9::7', undefined]) {
    for (let i = 0; i < 5; i += 1) t.ok(shares.take(from(address)), 'trusted, or gone already')
  }
  taken.emit('close')
  t.ok(shares.take(from('192.0.2.1')))
  t.notOk(shares.take(from('192.0.2.1')))
  shares.set(undefined, [])
  for (let i = 0; i < 5; i += 1) t.ok(shares.take(from('192.0.2.1')), 'as many as there can be')
})
