// Services behind TLS: their certificates are verified, against the route's own authority where it names one.
import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { compileRoutes, type RouteConfig, routeViolations } from '../../../plugins/forward/index.ts'
import { makeAuthority } from '../../support/processes/certificates.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { gatewayFor } from './gateway.ts'

/** A service that answers with the name it was asked for. */
async function startService(t: Test, options: ServerOptions): Promise<string> {
  const server = createServer(options, ({ socket, headers }, response) => {
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

t.test('a service that asks for a certificate gets the route’s', async (t) => {
  const { caFile, certify } = makeAuthority(t)
  const ca = readFileSync(caFile)
  const upstream = await startService(t, {
    ...certify('IP:127.0.0.1'),
    requestCert: true,
    rejectUnauthorized: true,
    ca,
  })
  const folder = temporaryFolder(t)
  const [certFile, keyFile] = [join(folder, 'own.pem'), join(folder, 'own.key')]
  const own = certify('DNS:gateway.internal')
  writeFileSync(certFile, own.cert)
  writeFileSync(keyFile, own.key)
  t.match(await ask(t, { upstream, tls: { caFile, certFile, keyFile } }), { status: 200 })
  t.match(await ask(t, { upstream, tls: { caFile } }), { status: 502 })
  const { url } = await gatewayFor(t, [
    { prefix: '/known', policy: 'public', upstream, tls: { caFile, certFile, keyFile } },
    { prefix: '/unknown', policy: 'public', upstream, tls: { caFile } },
  ])
  t.strictSame([(await fetch(`${url}/known`)).status, (await fetch(`${url}/unknown`)).status], [200, 502])
})

t.test('a route says what is wrong with its certificate or its key, and shows neither', async (t) => {
  const { certify } = makeAuthority(t)
  const folder = temporaryFolder(t)
  const write = (name: string, text: Buffer | string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const [own, other] = [certify('DNS:a'), certify('DNS:b')]
  const [certFile, keyFile, otherKey] = [write('a.pem', own.cert), write('a.key', own.key), write('b.key', other.key)]
  const locked = createPrivateKey(own.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  })
  const lockedKey = write('locked.key', locked)
  const messageOf = (tls: NonNullable<RouteConfig['tls']>) =>
    routeViolations([{ prefix: '/x', upstream: 'https://a', tls }]).map(({ message }) => message)
  t.strictSame(messageOf({ certFile, keyFile }), [])
  t.strictSame(messageOf({ certFile }), ['certFile and keyFile go together: name both.'])
  t.strictSame(messageOf({ keyFile }), ['certFile and keyFile go together: name both.'])
  t.strictSame(messageOf({ certFile: keyFile, keyFile }), [`The file ${keyFile} holds no certificate.`])
  const noKey = (path: string) => [`The file ${path} holds no private key without a passphrase.`]
  t.strictSame(messageOf({ certFile, keyFile: certFile }), noKey(certFile))
  t.strictSame(messageOf({ certFile, keyFile: lockedKey }), noKey(lockedKey))
  t.strictSame(messageOf({ certFile, keyFile: otherKey }), [
    `The key in ${otherKey} is not that of the certificate in ${certFile}.`,
  ])
  t.strictSame(messageOf({ certFile, keyFile: join(folder, 'none') }), [
    `The file ${join(folder, 'none')} is not there.`,
  ])
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
