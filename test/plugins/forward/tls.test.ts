// Services behind TLS: their certificates are verified, against the route's own authority where it names one.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { compileRoutes, type RouteConfig, routeViolations } from '../../../plugins/forward/index.ts'
import { makeAuthority } from '../../support/processes/certificates.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { gatewayFor } from './gateway.ts'

/** A service that answers with the name it was asked for. */
async function startService(t: Test, certificate: { key: Buffer; cert: Buffer }): Promise<string> {
  const server = createServer(certificate, ({ socket, headers }, response) => {
    // Boundary: the sockets of an https server are TLS sockets.
    const { servername } = socket as TLSSocket & { servername: string | false }
    response.end(`${servername || 'no name'} ${headers.host?.split(':')[0]}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  // Boundary: it listens on a port.
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function ask(t: Test, route: Omit<RouteConfig, 'prefix'>): Promise<{ status: number; body: string }> {
  const { url } = await gatewayFor(t, [{ prefix: '/x', policy: 'public', ...route }])
  const response = await fetch(`${url}/x`)
  return { status: response.status, body: await response.text() }
}

t.test('a certificate of the route’s authority for the right name is taken', async (t) => {
  const authority = makeAuthority(t)
  const { caFile } = authority
  const byAddress = await startService(t, authority.certify('IP:127.0.0.1'))
  t.match(await ask(t, { upstream: byAddress, tls: { caFile } }), { status: 200, body: 'no name 127.0.0.1' })
  const named = await startService(t, authority.certify('DNS:orders.internal'))
  const serverName = 'orders.internal'
  t.match(await ask(t, { upstream: named, tls: { caFile, serverName } }), {
    status: 200,
    body: 'orders.internal 127.0.0.1',
  })
})

t.test('any other certificate is refused, whatever the environment says', async (t) => {
  const authority = makeAuthority(t)
  const { caFile } = authority
  const upstream = await startService(t, authority.certify('DNS:orders.internal'))
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
  const refused = { status: 502, body: /"upstream_unreachable"/ }
  t.match(await ask(t, { upstream }), refused, 'an authority nobody knows')
  t.match(await ask(t, { upstream, tls: { caFile } }), refused, 'another name')
  t.match(await ask(t, { upstream, tls: { caFile, serverName: 'a.internal' } }), refused, 'not the name asked for')
  const { caFile: stranger } = makeAuthority(t)
  t.match(await ask(t, { upstream, tls: { caFile: stranger, serverName: 'orders.internal' } }), refused, 'a stranger')
})

t.test('two routes to one service trust it each in its own way', async (t) => {
  const authority = makeAuthority(t)
  const { caFile } = authority
  const upstream = await startService(t, authority.certify('DNS:orders.internal'))
  const { url } = await gatewayFor(t, [
    { prefix: '/right', policy: 'public', upstream, tls: { caFile, serverName: 'orders.internal' } },
    { prefix: '/wrong', policy: 'public', upstream },
  ])
  t.strictSame([(await fetch(`${url}/right`)).status, (await fetch(`${url}/wrong`)).status], [200, 502])
})

t.test('a route says what is wrong with its file', async (t) => {
  const folder = temporaryFolder(t)
  const empty = join(folder, 'empty.pem')
  writeFileSync(empty, 'not a certificate')
  const violations = (upstream: string, caFile: string) =>
    routeViolations([{ prefix: '/x', upstream, tls: { caFile } }]).map(({ path, message }) => [path, message])
  const missing = join(folder, 'missing.pem')
  t.strictSame(violations('https://a', missing), [['/0/tls', `The file ${missing} is not there.`]])
  t.strictSame(violations('https://a', empty), [['/0/tls', `The file ${empty} holds no certificate.`]])
  t.strictSame(violations('http://a', makeAuthority(t).caFile), [['/0/tls', 'Only https upstreams have certificates.']])
  t.throws(() => compileRoutes([{ prefix: '/x', upstream: 'https://a', tls: { caFile: empty } }]), /no certificate/)
})
