// Proxies in front of the gateway, each with its file in docs, in the real program: for tests of what passes through them. Behind
// each stands the gateway as /auth/verify, and a service that tells what it received.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { bearer, startGateway, type TestGateway } from '../../support/gateway.ts'
import { type Sites, startApache, startCaddy, startHaproxy, startNginx } from '../../support/processes/proxy-server.ts'
import { type FakeUpstream, type Received, startFakeUpstream } from '../../support/upstream.ts'

export interface ProxyScene {
  url: string
  port: number
  service: FakeUpstream
  alice: { authorization: string }
  gateway: TestGateway
}

/** The two servers that a proxy is told: `host:port`. */
export interface Servers {
  cardea: string
  orders: string
}

export interface ProxyInFront {
  name: string
  start: (t: Test, sites: Sites) => Promise<number>
  /** What it is told, with the addresses of the test in the place of those of the file. */
  sites: (servers: Servers) => Sites
}

/** A proxy with a whole file, and whether it says that nobody is known to ask by empty fields, or by none. */
export interface DocumentedProxy extends ProxyInFront {
  saysNobody: (t: Test, received: Received | undefined) => void
}

const noField: DocumentedProxy['saysNobody'] = (t, received) =>
  t.notMatch(received?.rawHeaders.join(' ').toLowerCase(), /x.auth/)

const emptyFields: DocumentedProxy['saysNobody'] = (t, received) => {
  for (const name of ['subject', 'session', 'roles', 'scope', 'assertion']) {
    t.equal(received?.headers[`x-auth-${name}`], '')
  }
}

/** Every proxy for which docs has a whole file that can be run here. */
export const proxies: DocumentedProxy[] = [
  {
    name: 'nginx',
    start: startNginx,
    sites: (servers) => (port) => documented('nginx.conf', servers).replace('listen 8080', `listen 127.0.0.1:${port}`),
    saysNobody: noField,
  },
  {
    name: 'Caddy',
    start: startCaddy,
    sites: (servers) => (port) => documented('Caddyfile', servers).replace(':8080 {', `:${port} {\n\tbind 127.0.0.1`),
    saysNobody: emptyFields,
  },
  {
    name: 'haproxy',
    start: startHaproxy,
    sites: (servers) => (port, folder) =>
      documented('haproxy.cfg', servers)
        .replace('bind :8080', `bind 127.0.0.1:${port}`)
        .replace('/etc/haproxy/haproxy.lua', beside('haproxy.lua', servers, folder)),
    saysNobody: noField,
  },
  {
    name: 'Apache',
    start: startApache,
    sites: (servers) => (port, folder) =>
      documented('apache.conf', servers)
        .replace('Listen 8080', `Listen 127.0.0.1:${port}`)
        .replace('*:8080', `127.0.0.1:${port}`)
        .replace('/etc/apache2/apache.lua', beside('apache.lua', servers, folder)),
    saysNobody: noField,
  },
]

/** A file of docs, with the servers of a test. */
function documented(name: string, servers: Servers): string {
  return withServers(readFileSync(new URL(`../../../docs/proxies/${name}`, import.meta.url), 'utf8'), servers)
}

/** A text that names Cardea as 127.0.0.1:3000 and the service as 127.0.0.1:4000, with the servers of a test. */
export function withServers(text: string, { cardea, orders }: Servers): string {
  return text.replaceAll('127.0.0.1:3000', cardea).replaceAll('127.0.0.1:4000', orders)
}

function beside(name: string, servers: Servers, folder: string): string {
  const path = join(folder, name)
  writeFileSync(path, documented(name, servers))
  return path
}

/** Starts the service, the gateway and a proxy in front of both; they end with the test. */
export async function behind({ start, sites }: ProxyInFront, t: Test): Promise<ProxyScene> {
  const service = await startFakeUpstream(({ url }, response) => {
    response.statusCode = url === '/orders/broken' ? 500 : 200
    response.end('the service’s own response')
  })
  t.teardown(() => service.close())
  const gateway = await startGateway(t, {
    config: {
      routes: [
        { prefix: '/orders', upstream: service.url, methods: { DELETE: { roles: ['admin'] } } },
        { prefix: '/orders/public', upstream: service.url, policy: 'public' },
        { prefix: '/orders/files', upstream: service.url, accessCookie: true },
        { prefix: '/orders/staff', upstream: service.url, policy: { roles: ['admin'] } },
      ],
    },
  })
  const own = new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 }))
  const port = await start(t, sites({ cardea: own.host, orders: `127.0.0.1:${service.port}` }))
  return { url: `http://127.0.0.1:${port}`, port, service, gateway, alice: bearer(await gateway.signIn()) }
}
