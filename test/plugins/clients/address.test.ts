// The address of the client: what proxies write into X-Forwarded-For, in every spelling, and what it decides. And that it is
// known for as long as the request is, whatever becomes of the peer.

import { isIP } from 'node:net'
import fc from 'fast-check'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import clientAddress, { addressIn } from '../../../plugins/clients/address.ts'
import { eventually } from '../../support/eventually.ts'
import { startGateway } from '../../support/gateway.ts'
import { openRaw } from '../../support/raw-client.ts'
import { gatewayFor, upstreamFor } from '../forward/gateway.ts'

t.test('an address is found under ports, brackets and quotes, and nothing else is one', async (t) => {
  const cases: Record<string, string | undefined> = {
    '203.0.113.7': '203.0.113.7',
    ' 203.0.113.7\t': '203.0.113.7',
    '203.0.113.7:40001': '203.0.113.7',
    '203.0.113.7:_port': '203.0.113.7',
    '"203.0.113.7:40001"': '203.0.113.7',
    '2001:db8::7': '2001:db8::7',
    '2001:DB8:0:0::7': '2001:db8::7',
    '[2001:db8::7]': '2001:db8::7',
    '[2001:db8::7]:40001': '2001:db8::7',
    '"[2001:db8::7]:40001"': '2001:db8::7',
    '::ffff:203.0.113.7': '203.0.113.7',
    '[::FFFF:cb00:7107]:1': '203.0.113.7',
    // Eight groups: the last one is no port.
    '2001:db8:1:2:3:4:5:40': '2001:db8:1:2:3:4:5:40',
    unknown: undefined,
    'unknown:80': undefined,
    _hidden: undefined,
    '': undefined,
    '""': undefined,
    '"': undefined,
    '[]': undefined,
    '[2001:db8::7': undefined,
    '[2001:db8::7]x': undefined,
    '203.0.113.7:': undefined,
    '203.0.113.7:123456': undefined,
    '203.0.113.300': undefined,
    '203.0.113.07': undefined,
    '203.0.113': undefined,
    'fe80::1%eth0': undefined,
    '[fe80::1%25eth0]': undefined,
    'for=203.0.113.7': undefined,
    'host.example:80': undefined,
    ['1'.repeat(3000)]: undefined,
    [`${' '.repeat(3000)}203.0.113.7`]: undefined,
  }
  for (const [node, address] of Object.entries(cases)) t.equal(addressIn(node), address, node.slice(0, 40))
})

t.test('whatever a proxy writes, the client is an address', async (t) => {
  const app = await pathsBehind(t, ['10.0.0.0/8'])
  const node = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.constantFrom('unknown', '', '[::1]:1', '1.2.3.4:5'))
  await fc.assert(
    fc.asyncProperty(fc.array(node, { maxLength: 50 }), async (nodes) => {
      const field = nodes.join(',').replace(/[^\x20-\x7e]/g, '?')
      const path = (
        await app.inject({ url: '/', headers: { 'x-forwarded-for': field }, remoteAddress: '10.0.0.1' })
      ).json()
      return path.length <= 33 && path.at(-1) === '10.0.0.1' && path.every((address: string) => isIP(address) !== 0)
    }),
    { numRuns: 300 },
  )
})

t.test('the path goes from the peer outwards as far as proxies are trusted', async (t) => {
  const app = await pathsBehind(t, ['10.0.0.0/8', '::1', 'fd00::/8'])
  const cases: [field: string | undefined, peer: string, path: string[]][] = [
    [undefined, '192.0.2.1', ['192.0.2.1']],
    [undefined, '10.0.0.1', ['10.0.0.1']],
    ['203.0.113.7', '192.0.2.1', ['192.0.2.1']],
    ['203.0.113.7', '10.0.0.1', ['203.0.113.7', '10.0.0.1']],
    ['203.0.113.7', '::ffff:10.0.0.1', ['203.0.113.7', '10.0.0.1']],
    ['6.6.6.6, 203.0.113.7:40001', '10.0.0.1', ['203.0.113.7', '10.0.0.1']],
    ['6.6.6.6, 203.0.113.7, 10.0.0.2:80', '10.0.0.1', ['203.0.113.7', '10.0.0.2', '10.0.0.1']],
    ['"[2001:db8::7]:1", [fd00::1]', '::1', ['2001:db8::7', 'fd00::1', '::1']],
    ['203.0.113.7,,', '10.0.0.1', ['203.0.113.7', '10.0.0.1']],
    [',,,', '10.0.0.1', ['10.0.0.1']],
    ['unknown', '10.0.0.1', ['10.0.0.1']],
    ['6.6.6.6, unknown, 10.0.0.2', '10.0.0.1', ['10.0.0.2', '10.0.0.1']],
    ['6.6.6.6, garbage', '10.0.0.1', ['10.0.0.1']],
    ['1'.repeat(3000), '10.0.0.1', ['10.0.0.1']],
    [' '.repeat(3000), '10.0.0.1', ['10.0.0.1']],
    [`6.6.6.6${','.repeat(3000)}`, '10.0.0.1', ['10.0.0.1']],
    [Array(100).fill('10.0.0.9').join(), '10.0.0.1', [...Array(32).fill('10.0.0.9'), '10.0.0.1']],
    ['203.0.113.7', 'nobody', ['unknown']],
  ]
  for (const [field, peer, path] of cases) {
    const headers = field === undefined ? {} : { 'x-forwarded-for': field }
    const seen = await app.inject({ url: '/', headers, remoteAddress: peer })
    t.strictSame(seen.json(), path, `${peer}: ${field?.slice(0, 60)}`)
  }
})

t.test('a client behind a proxy that writes ports has one limit, and services are told its address', async (t) => {
  const addressLimit = { max: 3, windowMs: 60_000 }
  const gateway = await startGateway(t, { config: { addressLimit, trustedProxies: ['10.0.0.1'] } })
  const tryAs = async (username: string, forwardedFor: string) =>
    (
      await gateway.post(
        '/auth/login',
        { username, password: 'wrong' },
        { remoteAddress: '10.0.0.1', headers: { 'x-forwarded-for': forwardedFor } },
      )
    ).statusCode
  const seen = []
  for (let i = 0; i < 5; i++) seen.push(await tryAs(`user${i}`, `203.0.113.7:${40000 + i}`))
  t.strictSame(seen, [401, 401, 401, 429, 429], 'a new port is no new address')
  t.equal(gateway.events('login_failed')[0]?.['network'], '203.0.113.0/24')
  t.equal(await tryAs('somebody', '[2001:db8::7]:40001'), 401)

  const upstream = await upstreamFor(t)
  const route = { prefix: '/x', upstream: upstream.url, policy: 'public' as const }
  const { url } = await gatewayFor(t, [route], { trustProxy: ['127.0.0.1'] })
  for (const field of ['203.0.113.7:40001', '"[2001:db8::7]:40001"', 'unknown']) {
    await fetch(`${url}/x`, { headers: { 'x-forwarded-for': field } })
  }
  t.strictSame(
    upstream.received.map(({ headers }) => headers['x-forwarded-for']),
    ['203.0.113.7, 127.0.0.1', '2001:db8::7, 127.0.0.1', '127.0.0.1'],
  )
})

t.test('the address is known after the peer is gone', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(clientAddress, { trustedProxies: [] })
  const gone = Promise.withResolvers<void>()
  const seen: string[] = []
  app.get('/', async (request) => {
    request.raw.socket.once('close', gone.resolve)
    if (!request.raw.socket.destroyed) await gone.promise
    seen.push(request.clientAddress)
    return ''
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const client = openRaw(Number(new URL(url).port))
  client.socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n', () => client.socket.resetAndDestroy())
  await eventually('the handler has ended', () => seen.length === 1)
  t.strictSame(seen, ['127.0.0.1'])
})

async function pathsBehind(t: Test, trustedProxies: string[]) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(clientAddress, { trustedProxies })
  app.get('/', async ({ clientPath }) => clientPath)
  await app.ready()
  return app
}
