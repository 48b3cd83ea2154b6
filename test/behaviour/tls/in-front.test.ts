// Tests of TLS that ends in front of the gateway, by the files of docs/tls in the real programs: people sign in by a cookie that is
// Secure, the client's address and scheme arrive and cannot be forged, streams and WebSockets pass.
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { password, startGateway } from '../../support/gateway.ts'
import { makeAuthority } from '../../support/processes/certificates.ts'
import { freePort } from '../../support/processes/free-port.ts'
import { type Sites, startCaddy, startNginx } from '../../support/processes/proxy-server.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const name = 'auth.example.com'
const authority = makeAuthority(t)
const certified = authority.certify(`DNS:${name}`)

const programs: [
  program: string,
  start: (t: Test, sites: Sites) => Promise<number>,
  sites: (gateway: string) => Sites,
][] = [
  [
    'nginx',
    startNginx,
    (gateway) => (port, folder) =>
      withCertificate(documented('nginx.conf', gateway), folder).replace('listen 443', `listen 127.0.0.1:${port}`),
  ],
  [
    'Caddy',
    startCaddy,
    (gateway) => (port, folder) =>
      withCertificate(documented('Caddyfile', gateway), folder).replace(
        `https://${name} {`,
        `https://${name}:${port} {\n\tbind 127.0.0.1`,
      ),
  ],
]

function documented(file: string, gateway: string): string {
  return readFileSync(new URL(`../../../docs/tls/${file}`, import.meta.url), 'utf8').replace('127.0.0.1:3000', gateway)
}

function withCertificate(text: string, folder: string): string {
  for (const [end, bytes] of [
    ['pem', certified.cert],
    ['key', certified.key],
  ] as const)
    writeFileSync(join(folder, end), bytes)
  return text.replace(`/etc/ssl/${name}.pem`, join(folder, 'pem')).replace(`/etc/ssl/${name}.key`, join(folder, 'key'))
}

for (const [program, start, sites] of programs) {
  t.test(`TLS ends at ${program}: sign-in by cookie, scheme and address, a WebSocket`, async (t) => {
    const service = await startFakeUpstream()
    t.teardown(() => service.close())
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    t.teardown(() => sockets.close())
    await once(sockets, 'listening')
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`heard ${data}`)))
    // Boundary: it listens on TCP.
    const { port: socketPort } = sockets.address() as AddressInfo
    const port = await freePort()
    const origin = `https://${name}`
    const gateway = await startGateway(t, {
      config: {
        issuer: origin,
        hosts: { issuer: origin, listed: [name], loopback: false },
        trustedProxies: ['127.0.0.1'],
        routes: [
          { prefix: '/svc', upstream: service.url, policy: 'public' },
          { prefix: '/ws', upstream: `http://127.0.0.1:${socketPort}`, policy: 'public', websocket: true },
        ],
      },
    })
    await gateway.app.listen({ host: '127.0.0.1', port })
    const front = await start(t, sites(`127.0.0.1:${port}`))
    const ca = readFileSync(authority.caFile)
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    const ask = async (path: string, headers: Record<string, string> = {}, body?: object) => {
      const to = { host: '127.0.0.1', port: front, servername: name, ca, agent, path }
      const method = body === undefined ? 'GET' : 'POST'
      const asked = request({ ...to, method, headers: { host: name, ...headers } })
      asked.end(body && JSON.stringify(body))
      const [response] = await once(asked, 'response')
      let text = ''
      for await (const part of response) text += part
      return { status: response.statusCode, headers: response.headers, text }
    }

    const json = { 'content-type': 'application/json', origin, 'sec-fetch-site': 'same-origin' }
    const signedIn = await ask('/auth/login', json, { username: 'alice', password })
    t.equal(signedIn.status, 200, signedIn.text)
    const cookies = signedIn.headers['set-cookie'] ?? []
    t.match(cookies.join('\n'), /^__Host-cardea_refresh=.*; Secure/m)
    const cookie = cookies.map((one: string) => one.split(';', 1)[0]).join('; ')
    const refreshed = await ask('/auth/token', { ...json, cookie }, { grant_type: 'refresh_token' })
    t.equal(refreshed.status, 200, refreshed.text)
    const elsewhere = { ...json, cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    t.equal((await ask('/auth/token', elsewhere, { grant_type: 'refresh_token' })).status, 403)

    const forged = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http', forwarded: 'for=203.0.113.9' }
    t.equal((await ask('/svc/x', forged)).status, 200)
    const seen = service.received.at(-1)
    t.equal(seen?.headers['x-forwarded-proto'], 'https')
    t.match(seen?.headers['x-forwarded-for'], /^127\.0\.0\.1(, 127\.0\.0\.1)?$/)
    t.notMatch(JSON.stringify(seen?.headers), '203.0.113.9')

    const options = { ca, servername: name, headers: { host: name, origin } }
    const socket = new WebSocket(`wss://127.0.0.1:${front}/ws/x`, [], options)
    await once(socket, 'open')
    socket.send('you')
    t.equal(String((await once(socket, 'message'))[0]), 'heard you')
    socket.close()
  })
}
