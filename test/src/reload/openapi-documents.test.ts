// Documents that services give over https: a route's own authority holds for its own instances, for its document as for its
// requests, and nowhere else; and whatever the environment says, no certificate goes unverified.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { DocumentSource } from '../../../src/reload/openapi-documents.ts'
import { gatewayFor } from '../../plugins/forward/gateway.ts'
import { type Authority, makeAuthority } from '../../support/processes/certificates.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

interface Service {
  url: string
  port: number
  /** Targets it was asked for. */
  asked: string[]
}

/** A service of one operation; its document is in two files. */
async function startService(t: Test, authority: Authority, ...names: string[]): Promise<Service> {
  const asked: string[] = []
  const server = createServer(authority.certify(...names), ({ url = '' }, response) => {
    asked.push(url)
    if (url === '/openapi.json') response.end(documentWith('part.json'))
    else if (url === '/elsewhere.json') response.end(documentWith(`https://localhost:${port}/part.json`))
    else if (url === '/part.json') response.end('{"get":{}}')
    else response.end('answered')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  // Boundary: it listens on a port.
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}`, port, asked }
}

function documentWith(reference: string): string {
  return JSON.stringify({ openapi: '3.1.0', info: { title: 't', version: '1' }, paths: { '/x': { $ref: reference } } })
}

/** What the route answers, and why there is no document where there is none. */
async function ask(t: Test, route: Omit<RouteConfig, 'prefix'>, source = new DocumentSource()) {
  const routes: RouteConfig[] = [{ prefix: '/x', policy: 'public', ...route }]
  const { compiled, missing } = await source.load(routes)
  const { url } = await gatewayFor(t, routes, { documents: compiled })
  return { status: (await fetch(`${url}/x`)).status, why: missing[0]?.sentence }
}

t.test('a document of a service whose authority only the route knows is had, with the files it names', async (t) => {
  const authority = makeAuthority(t)
  const { caFile } = authority
  const { url, asked } = await startService(t, authority, 'IP:127.0.0.1')
  const openapi = `${url}/openapi.json`
  t.strictSame(await ask(t, { upstream: url, openapi, tls: { caFile } }), { status: 200, why: undefined })
  t.strictSame(asked, ['/openapi.json', '/part.json', '/x'])
  const named = await startService(t, authority, 'DNS:orders.internal')
  const tls = { caFile, serverName: 'orders.internal' }
  const upstream = ['https://127.0.0.1:9', named.url.toUpperCase().replace('HTTPS', 'https')]
  const { why } = await ask(t, { upstream, openapi: `${named.url}/openapi.json`, tls })
  t.equal(why, undefined, 'any instance of the route is the service, under the name that the route gives it')
})

t.test('any other certificate is refused, and the route says 503', async (t) => {
  const authority = makeAuthority(t)
  const { caFile } = authority
  const { url: upstream, port, asked } = await startService(t, authority, 'IP:127.0.0.1', 'DNS:localhost')
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
  const openapi = `${upstream}/openapi.json`
  const { caFile: stranger } = makeAuthority(t)
  const unknown = { status: 503, why: /the document of \/x, .* cannot be fetched \(.*(certificate|issuer)/ }
  t.match(await ask(t, { upstream, openapi }), unknown, 'an authority nobody knows')
  t.match(await ask(t, { upstream, openapi, tls: { caFile: stranger } }), unknown, 'a stranger')
  const elsewhere = `https://localhost:${port}/openapi.json`
  t.match(await ask(t, { upstream, openapi: elsewhere, tls: { caFile } }), unknown, 'not an instance of the route')
  const misnamed = { status: 503, why: /cannot be fetched \(.*does not match certificate/ }
  t.match(await ask(t, { upstream, openapi, tls: { caFile, serverName: 'orders.internal' } }), misnamed)
  t.strictSame(asked, [], 'and nothing was asked')
  const leading = { status: 503, why: /localhost.* is not fetched/ }
  t.match(await ask(t, { upstream, openapi: `${upstream}/elsewhere.json`, tls: { caFile } }), leading)
})

t.test('what one route was given is not taken for the document of one that trusts otherwise', async (t) => {
  const authority = makeAuthority(t)
  const { url: upstream } = await startService(t, authority, 'IP:127.0.0.1')
  const openapi = `${upstream}/openapi.json`
  const source = new DocumentSource()
  t.match(await ask(t, { upstream, openapi, tls: { caFile: authority.caFile } }, source), { status: 200 })
  t.match(await ask(t, { upstream, openapi, tls: { caFile: makeAuthority(t).caFile } }, source), { status: 503 })
})

t.test('a URL with a password, or none at all, is a mistake', async (t) => {
  const upstream = 'http://127.0.0.1:9'
  t.match(await ask(t, { upstream, openapi: 'http://a:secret@127.0.0.1:9/openapi.json' }), { status: 503 })
  await t.rejects(ask(t, { upstream, openapi: 'http://[/openapi.json' }), /cannot be read/)
})

t.test('the log of a gateway says why a document could not be had', async (t) => {
  const { url } = await startService(t, makeAuthority(t), 'IP:127.0.0.1')
  const folder = temporaryFolder(t)
  const file = join(folder, 'cardea.config.yaml')
  const tls = `tls: { caFile: "${makeAuthority(t).caFile}" }`
  writeFileSync(
    file,
    `routes:\n  - { prefix: /x, policy: public, upstream: "${url}", openapi: "${url}/openapi.json", ${tls} }\n`,
  )
  const gateway = await GatewayProcess.start({ CARDEA_DATA_DIR: folder, CARDEA_CONFIG: file, CARDEA_LOG_LEVEL: 'info' })
  t.teardown(() => gateway.kill('SIGKILL'))
  t.equal((await fetch(`${gateway.url}/x`)).status, 503)
  t.match(gateway.output.join('\n'), /the document of \/x, .* cannot be fetched \(.*(certificate|issuer)/)
})
