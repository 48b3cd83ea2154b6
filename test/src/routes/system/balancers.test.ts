// Checks by load balancers, which know addresses only: HTTP/1.0 without a Host is answered on /livez and /readyz, and nowhere else.
import t from 'tap'
import { eventually } from '../../../support/eventually.ts'
import { startGateway } from '../../../support/gateway.ts'
import { startHaproxy } from '../../../support/processes/proxy-server.ts'
import { sendRaw } from '../../../support/raw-client.ts'

async function sceneOf(t: Parameters<typeof startGateway>[0]) {
  const { app } = await startGateway(t)
  const asked: string[] = []
  app.server.on('request', ({ method, url, httpVersion }) => asked.push(`${method} ${url} ${httpVersion}`))
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  return { port, asked }
}

t.test('HTTP/1.0 without a Host is answered on /livez and /readyz', async (t) => {
  const { port } = await sceneOf(t)
  for (const line of [
    'GET /livez',
    'GET /readyz',
    'HEAD /livez',
    'OPTIONS /livez',
    'OPTIONS /readyz',
    'GET /livez?x',
  ]) {
    t.match((await sendRaw(port, `${line} HTTP/1.0\r\n\r\n`)).text, /^HTTP\/1\.1 200 /, line)
  }
})

t.test('a Host is demanded of HTTP/1.1, and of HTTP/1.0 elsewhere', async (t) => {
  const { port } = await sceneOf(t)
  for (const bytes of [
    'GET /livez HTTP/1.1\r\n\r\n',
    'GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n',
    'GET /auth/sessions HTTP/1.0\r\n\r\n',
    'GET /.well-known/jwks.json HTTP/1.0\r\n\r\n',
    'GET /nowhere HTTP/1.0\r\n\r\n',
    'GET /livez HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET /livez HTTP/1.0\r\nHost:\r\n\r\n',
    'GET http:///livez HTTP/1.0\r\n\r\n',
  ]) {
    t.match((await sendRaw(port, bytes)).text, /^HTTP\/1\.1 400 /, bytes)
  }
  const asked = 'GET /auth/verify HTTP/1.0\r\nX-Original-URI: /x\r\nX-Original-Method: GET\r\n\r\n'
  t.match((await sendRaw(port, asked)).text, /^HTTP\/1\.1 403 /, 'of no site that is ours')
})

for (const check of ['option httpchk GET /readyz', 'option httpchk /livez', 'option httpchk HEAD /livez']) {
  t.test(`haproxy with "${check}" finds the gateway up`, async (t) => {
    const { port, asked } = await sceneOf(t)
    const front = await startHaproxy(t, (listens) => settingsOf(listens, port, check))
    await eventually('haproxy has asked', () => asked.filter((line) => line.endsWith(' 1.0')).length >= 3)
    const response = await fetch(`http://127.0.0.1:${front}/livez`)
    t.equal(response.status, 200)
  })
}

function settingsOf(listens: number, gateway: number, check: string): string {
  return `
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
listen front
  bind 127.0.0.1:${listens}
  ${check}
  server gateway 127.0.0.1:${gateway} check inter 50 fall 1 rise 1
`
}
