// The host that a request names. A page that has its own name lead to the gateway (DNS rebinding) sends that name, and would be
// our own page if it were believed; so does whoever wants a service to write links to it.
import t from 'tap'
import { accessCookieName } from '../../../plugins/browser/cookies.ts'
import { OwnHosts } from '../../../plugins/http-edge/own-hosts.ts'
import type { Config } from '../../../src/config/index.ts'
import { bearer, cookiePair, cookiesSetBy, ownOrigin, password, startGateway } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const production = {
  hosts: { issuer: ownOrigin, listed: ['app.test', 'door.test:8443', '[fd00::7]'], loopback: false },
}

async function sceneOf(t: Parameters<typeof startGateway>[0], config: Partial<Config> = production) {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const routes = [{ prefix: '/orders', upstream: service.url, accessCookie: true }]
  const gateway = await startGateway(t, { config: { routes, ...config } })
  const own = { headers: { host: 'gateway.test' } }
  const port = Number(new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 })).port)
  const statusOf = async (host: string, path: string, ...lines: string[]) => {
    const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
    return (await sendRaw(port, `${head.join('\r\n')}\r\n\r\n`)).text
  }
  return { gateway, service, statusOf, alice: bearer(await gateway.signIn('alice', own)) }
}

const foreign = [
  'evil.test',
  'gateway.test.evil.test',
  'evilgateway.test',
  'x.gateway.test',
  'gateway.test:8443',
  'gateway',
]
const rebound = [
  ...foreign,
  '127.0.0.1',
  'localhost:3000',
  '[::1]',
  '10.0.0.7',
  'door.test',
  'door.test:443',
  '[fd00::8]',
]

t.test('a request for another host is misdirected, whatever it asks for, and reaches nothing', async (t) => {
  const { service, statusOf, alice } = await sceneOf(t)
  const authorization = `Authorization: ${alice.authorization}`
  for (const host of [...rebound, 'gateway.test.']) {
    for (const path of ['/orders/1', '/auth/sessions', '/ops/', '/metrics', '/.well-known/jwks.json', '/nothing']) {
      const text = await statusOf(host, path, authorization)
      t.match(text, /^HTTP\/1\.1 421 Misdirected Request\r\n/, `${host}${path}`)
      t.match(text, '"code":"misdirected_request"')
    }
  }
  t.strictSame(service.received, [])
})

t.test('the issuer’s host, with its port or without, and listed ones are answered for', async (t) => {
  const { service, statusOf, alice } = await sceneOf(t)
  const own = [
    'gateway.test',
    'GATEWAY.test',
    'gateway.test:443',
    'app.test',
    'app.test:9',
    'door.test:8443',
    '[fd00::7]:1',
  ]
  for (const host of own) {
    t.match(await statusOf(host, '/orders/1', `Authorization: ${alice.authorization}`), /^HTTP\/1\.1 200 /, host)
    t.equal(service.received.at(-1)?.headers['x-forwarded-host'], host)
  }
})

t.test('health probes know an address and no name: they are answered whatever the host', async (t) => {
  const { statusOf } = await sceneOf(t)
  for (const host of rebound) {
    for (const path of ['/livez', '/readyz', '/livez?x=1'])
      t.match(await statusOf(host, path), /^HTTP\/1\.1 200 /, host)
  }
  t.match(await statusOf('evil.test', '/livez/'), /^HTTP\/1\.1 421 /)
})

t.test('in development loopback names are ours at any port, and nothing that only looks like one', async (t) => {
  const hosts = new OwnHosts({ issuer: 'http://127.0.0.1:3000', listed: [], loopback: true })
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1', '127.0.0.1:8080', '[::1]', '[::1]:3000']) {
    t.ok(hosts.has(host), host)
  }
  const others = [
    '127.0.0.1.evil.test',
    'localhost.evil.test',
    'evil.test',
    '[::2]',
    '128.0.0.1',
    '',
    'localhost:',
    'a b',
  ]
  for (const host of [...others, 'localhost:1/x', 'u@localhost']) t.notOk(hosts.has(host), host)
})

t.test('a page that had its name lead here is not our own page, by cookie or WebSocket', async (t) => {
  const { gateway, service } = await sceneOf(t)
  const login = await gateway.post(
    '/auth/login',
    { username: 'alice', password },
    { headers: { host: 'gateway.test' } },
  )
  const evil = { host: 'evil.test', origin: 'http://evil.test', 'sec-fetch-site': 'same-origin' }
  const refresh = { payload: { grant_type: 'refresh_token' }, headers: { ...evil, cookie: cookiePair(login) } }
  t.equal((await gateway.app.inject({ method: 'POST', url: '/auth/token', ...refresh })).statusCode, 421)
  const cookie = `${accessCookieName}=${cookiesSetBy(login)[accessCookieName]?.value}`
  t.equal((await gateway.app.inject({ url: '/orders/1', headers: { ...evil, cookie } })).statusCode, 421)
  // Asked about by a proxy that takes every name: 403, which each of them passes on.
  const named = { 'x-original-uri': '/orders/1', 'x-original-method': 'GET' }
  const asked = await gateway.app.inject({ url: '/auth/verify', headers: { ...evil, ...named, cookie } })
  t.match(asked.json(), { status: 403, code: 'target_refused' })
  t.match(asked.headers, { 'x-auth-subject': undefined })
  t.strictSame(service.received, [])
})

t.test(
  'what a trusted proxy says of its client’s host is checked in its place, and what others say is not',
  async (t) => {
    const trusted = await sceneOf(t, { ...production, trustedProxies: ['127.0.0.1'] })
    const said = async (scene: typeof trusted, host: string, forwarded: string) =>
      (
        await scene.statusOf(
          host,
          '/orders/1',
          `X-Forwarded-Host: ${forwarded}`,
          `Authorization: ${scene.alice.authorization}`,
        )
      ).slice(9, 12)
    t.equal(await said(trusted, 'cardea.internal:3000', 'app.test'), '200')
    t.equal(trusted.service.received[0]?.headers['x-forwarded-host'], 'app.test')
    for (const forwarded of ['evil.test', 'app.test, evil.test', 'app.test:x', 'app.test/x', '']) {
      const host = forwarded === '' ? 'evil.test' : 'gateway.test'
      t.equal(await said(trusted, host, forwarded), '421', forwarded)
    }
    const untrusted = await sceneOf(t)
    t.equal(await said(untrusted, 'evil.test', 'app.test'), '421')
    t.equal(await said(untrusted, 'gateway.test', 'evil.test'), '200')
    t.equal(untrusted.service.received[0]?.headers['x-forwarded-host'], 'gateway.test')
  },
)

t.test('a proxy that asks names the site by Host, or by X-Forwarded-Host where it is trusted', async (t) => {
  const { gateway, alice } = await sceneOf(t, { ...production, trustedProxies: ['127.0.0.1'] })
  const named = { 'x-original-uri': '/orders/1', 'x-original-method': 'GET', ...alice }
  const ask = async (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
    (await gateway.app.inject({ url: '/auth/verify', headers: { ...named, ...headers }, remoteAddress })).statusCode
  t.equal(await ask({ host: 'app.test' }), 200)
  t.equal(await ask({ host: '10.1.2.3:3000', 'x-forwarded-host': 'app.test' }), 200)
  t.equal(await ask({ host: '10.1.2.3:3000', 'x-forwarded-host': 'evil.test' }), 403)
  t.equal(await ask({ host: '10.1.2.3:3000' }), 403)
  t.equal(await ask({ host: '10.1.2.3:3000', 'x-forwarded-host': 'app.test' }, '192.0.2.7'), 403)
})
