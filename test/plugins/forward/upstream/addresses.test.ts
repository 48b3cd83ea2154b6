// Where connections to a service lead: to all addresses of its name, to where the name leads now, to a socket of this machine.
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NameLookup } from '../../../../plugins/forward/client/dns.ts'
import { routeViolations } from '../../../../plugins/forward/index.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { gatewayFor } from '../gateway.ts'

type Told = (error: Error | null, addresses: { address: string; family: number }[]) => void

/** A service that tells at which address it was reached, on the same port of each. */
async function startServices(t: Test, addresses: string[], fields: Record<string, string> = {}) {
  let port = 0
  for (const address of addresses) {
    const server = createServer((_request, response) => void response.writeHead(200, fields).end(address))
    server.keepAliveTimeout = 600_000
    server.listen(port, address)
    await once(server, 'listening')
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    port = bound.port
    t.teardown(() => end(server))
  }
  return port
}

function end(server: Server): void {
  server.closeAllConnections()
  server.close()
}

/** Has a name lead to addresses. */
function resolveTo(t: Test, addresses: () => string[]): void {
  t.capture(dns, 'lookup', (...[, , told]: [string, object, Told]) => {
    const found = addresses().map((address) => ({ address, family: 4 }))
    setImmediate(() => told(null, found))
  })
}

const three = ['127.0.0.1', '127.0.0.2', '127.0.0.3']

t.test('a name with several addresses uses all of them, one after the other and at once', async (t) => {
  const port = await startServices(t, three, { connection: 'close' })
  resolveTo(t, () => three)
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: `http://service.test:${port}`, policy: 'public' }])
  const ask = async () => await (await fetch(`${url}/x`)).text()
  const inTurn = [await ask(), await ask(), await ask(), await ask(), await ask(), await ask()]
  t.same(inTurn, [...three, ...three])
  const atOnce = await Promise.all(Array.from({ length: 9 }, ask))
  for (const address of three) t.equal(atOnce.filter((one) => one === address).length, 3, address)
})

t.test('connections that wait for one answer about a name begin with different addresses', async (t) => {
  resolveTo(t, () => three)
  const { lookup } = new NameLookup()
  const first = await Promise.all(
    three.map(
      () =>
        new Promise((resolve) => {
          lookup('service.test', { all: true }, (_error, found) => resolve(Array.isArray(found) && found[0]?.address))
        }),
    ),
  )
  t.same(first, three)
})

t.test('an address that cannot be reached is passed by', async (t) => {
  const port = await startServices(t, ['127.0.0.2'], { connection: 'close' })
  resolveTo(t, () => three)
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: `http://service.test:${port}`, policy: 'public' }])
  for (let i = 0; i < 3; i += 1) t.equal(await (await fetch(`${url}/x`)).text(), '127.0.0.2')
})

t.test('a change of the name moves requests when connections have reached their greatest age', async (t) => {
  const port = await startServices(t, ['127.0.0.1', '127.0.0.2'])
  let addresses = ['127.0.0.1']
  resolveTo(t, () => addresses)
  const real = performance.now.bind(performance)
  let passedMs = 0
  t.capture(performance, 'now', () => real() + passedMs)
  const upstream = `http://service.test:${port}`
  const { url } = await gatewayFor(t, [
    { prefix: '/x', upstream, policy: 'public' },
    { prefix: '/old', upstream, policy: 'public', maxConnectionAge: '10m' },
  ])
  const ask = async (path: string) => await (await fetch(`${url}${path}`)).text()
  t.same([await ask('/x'), await ask('/old')], ['127.0.0.1', '127.0.0.1'])
  addresses = ['127.0.0.2']
  passedMs = 240_000
  t.same([await ask('/x'), await ask('/old')], ['127.0.0.1', '127.0.0.1'], 'kept for now')
  passedMs = 301_000
  t.same([await ask('/x'), await ask('/old')], ['127.0.0.2', '127.0.0.1'])
})

t.test('a service is reached at a socket of this machine', async (t) => {
  const path = join(temporaryFolder(t), 'app.sock')
  const server = createServer(({ headers, url }, response) => {
    response.writeHead(200, { location: 'http://localhost/v1/next', 'x-host': headers.host ?? '' }).end(url)
  })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => end(server))
  const health = { path: '/health', interval: '1s' }
  const { url } = await gatewayFor(t, [
    { prefix: '/x', upstream: `unix:${path}`, policy: 'public', rewrite: '/v1', health },
    { prefix: '/gone', upstream: `unix:${path}.none`, policy: 'public' },
  ])
  const response = await fetch(`${url}/x/a?b`)
  t.match([response.status, await response.text()], [200, '/v1/a?b'])
  t.equal(response.headers.get('x-host'), 'localhost')
  t.equal(response.headers.get('location'), '/x/next')
  t.equal((await fetch(`${url}/gone`)).status, 502)
})

t.test('what is no socket’s path is a mistake', (t) => {
  const unix = (upstream: string | string[]) => routeViolations([{ prefix: '/x', upstream }])
  t.same(unix('unix:/run/app.sock'), [])
  t.same(unix(['unix:/run/Blue.sock', 'http://127.0.0.1:1']), [])
  const tls = { serverName: 'a' }
  t.match(routeViolations([{ prefix: '/x', upstream: 'unix:/run/app.sock', tls }]), [{ path: '/0/tls' }])
  t.end()
})
