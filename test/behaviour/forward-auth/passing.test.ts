// The files of docs for proxies in front, each in the real program, with the gateway behind it as /auth/verify and a service that
// tells what it received: what passes, what is refused, and what is said while nobody can tell.
import t from 'tap'
import { accessCookieName } from '../../../plugins/browser/cookies.ts'
import { cookiesSetBy, ownOrigin, password } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { behind, proxies } from './scene.ts'

for (const proxy of proxies) {
  t.test(
    `${proxy.name} passes on what the gateway lets through, with the identity and without the tokens`,
    async (t) => {
      const { url, service, alice } = await behind(proxy, t)
      const cookie = 'a=1; __Host-cardea_refresh=secret; b=2'
      const response = await fetch(`${url}/orders/1?x=%20`, {
        method: 'POST',
        body: 'text',
        headers: { ...alice, cookie },
      })
      t.equal(response.status, 200)
      const [received] = service.received
      t.match(received, { method: 'POST', url: '/orders/1?x=%20', body: 'text' })
      t.match(received?.headers, { 'x-auth-subject': 'alice', 'x-auth-roles': 'user', cookie: 'a=1; b=2' })
      t.notOk(received?.headers.authorization)
    },
  )

  t.test(
    `${proxy.name}: a cookie counts where its route takes it, from our own pages, and goes no further`,
    async (t) => {
      const { url, service, alice } = await behind(proxy, t)
      const access = `__Host-cardea_access=${alice.authorization.slice('Bearer '.length)}`
      const refresh = '__Host-cardea_refresh=secret'
      const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
        fetch(`${url}${path}`, { method, headers: { cookie: `a=1; ${refresh}; ${access}; b=2`, ...headers } })
      const own = { origin: ownOrigin, 'sec-fetch-site': 'same-origin' }
      t.equal((await ask('/orders/files/1', own, 'POST')).status, 200)
      t.equal((await ask('/orders/files/1', { ...own, cookie: `a=1; ${access}; ${refresh}; b=2` })).status, 200)
      t.equal((await ask('/orders/files/1', { ...own, cookie: access })).status, 200)
      t.equal((await ask('/orders/files/1', { 'sec-fetch-site': 'none' })).status, 200)
      for (const { headers } of service.received) {
        t.match(headers, { 'x-auth-subject': 'alice' })
        t.notMatch(headers.cookie ?? '', /cardea/)
      }
      t.match(service.received[0]?.headers, { cookie: 'a=1; b=2' })
      service.received.length = 0
      t.equal((await ask('/orders/files/1', { 'sec-fetch-site': 'none' }, 'POST')).status, 403)
      t.equal((await ask('/orders/files/1', { 'sec-fetch-site': 'cross-site' })).status, 403)
      t.equal((await ask('/orders/files/1', { ...own, origin: 'https://evil.test' })).status, 403)
      t.equal((await ask('/orders/files/1', {})).status, 403)
      t.equal((await ask('/orders/files/1', { ...own, cookie: `${access}; ${access}` })).status, 403)
      t.equal((await ask('/orders/1', own)).status, 401)
      t.strictSame(service.received, [])
    },
  )

  t.test(`${proxy.name}: a page of its own address writes by the access cookie, and no other page does`, async (t) => {
    const { url, gateway, service } = await behind(proxy, t)
    const login = await gateway.post('/auth/login', { username: 'alice', password })
    const cookie = `${accessCookieName}=${cookiesSetBy(login)[accessCookieName]?.value}`
    const write = (origin: string) =>
      fetch(`${url}/orders/files/1`, { method: 'POST', headers: { cookie, origin }, body: 'x' })
    t.equal((await write(url)).status, 200)
    t.equal(service.received.length, 1)
    for (const origin of ['http://cardea', 'http://orders', 'https://evil.test', 'null']) {
      t.equal((await write(origin)).status, 403, origin)
    }
    t.equal(service.received.length, 1)
  })

  t.test(`${proxy.name} asks about a handshake as about any other request`, async (t) => {
    const { port, service, alice } = await behind(proxy, t)
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const head = `GET /orders/1 HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n${key}`
    const { text } = await sendRaw(port, `${head}Authorization: ${alice.authorization}\r\n\r\n`)
    t.notMatch(text, /^HTTP\/1\.1 (?:40|50)/)
    t.equal(service.received.length, 1)
  })

  t.test(`${proxy.name} refuses what the gateway refuses`, async (t) => {
    const { url, port, service, alice } = await behind(proxy, t)
    const missing = await fetch(`${url}/orders/1`)
    t.equal(missing.status, 401)
    t.match(missing.headers.get('www-authenticate'), /^Bearer realm="cardea"/)
    t.equal((await fetch(`${url}/orders/1`, { headers: { authorization: 'Bearer x' } })).status, 401)
    t.equal((await fetch(`${url}/orders/1`, { method: 'DELETE', headers: alice })).status, 403)
    const forged = { 'x-original-method': 'GET', 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/orders/public' }
    t.equal((await fetch(`${url}/orders/1`, { method: 'DELETE', headers: { ...alice, ...forged } })).status, 403)
    t.equal((await fetch(`${url}/orders/1`, { headers: forged })).status, 401)
    t.equal((await fetch(`${url}/_cardea`, { headers: alice })).status, 404)
    for (const target of [
      '/orders/public/../1',
      '/orders/public/%2e%2e/1',
      '/orders//public',
      '/orders/public%2f..%2f1',
    ]) {
      const { text } = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      t.match(text, /^HTTP\/1\.1 403 /, target)
    }
    t.strictSame(service.received, [])
  })

  t.test(
    `${proxy.name}: a client’s own identity fields never get through, in any spelling and on any route`,
    async (t) => {
      const { port, service, alice } = await behind(proxy, t)
      const forged = ['X-Auth-Subject: root', 'x-auth-subject: root', 'X_Auth_Subject: root', 'X-AUTH-ROLES: admin']
      const more = [
        'X-Auth-Session: s',
        'X-Auth-Assertion: root',
        'X-Auth-Scope: all',
        'Connection: close, X-Auth-Subject',
      ]
      for (const [target, who] of [
        ['/orders/1', `Authorization: ${alice.authorization}`],
        ['/orders/public/1', 'Accept: */*'],
      ]) {
        const head = [`GET ${target} HTTP/1.1`, 'Host: a', who, ...forged, ...more]
        const { text } = await sendRaw(port, `${head.join('\r\n')}\r\n\r\n`)
        t.match(text, /^HTTP\/1\.1 200 /, `${target}`)
      }
      const [known, nobody] = service.received
      t.match(known?.headers, { 'x-auth-subject': 'alice', 'x-auth-roles': 'user' })
      for (const { rawHeaders } of service.received) t.notMatch(rawHeaders.join(' '), /root|admin|\ball\b/)
      proxy.saysNobody(t, nobody)
    },
  )

  t.test(
    `${proxy.name}: nobody talks the service into another method, path or client than those that were checked`,
    async (t) => {
      const { url, service, alice } = await behind(proxy, t)
      const overrides = [
        'X-HTTP-Method-Override',
        'X-HTTP-Method',
        'X-Method-Override',
        'X-Original-URL',
        'X-Rewrite-URL',
      ]
      const places = ['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Prefix', 'X-Real-IP', 'Forwarded']
      const forged = Object.fromEntries([...overrides, ...places].map((name) => [name, 'evil']))
      t.equal((await fetch(`${url}/orders/1`, { headers: { ...alice, ...forged } })).status, 200)
      t.notMatch(service.received[0]?.rawHeaders.join(' '), /evil/)
    },
  )

  t.test(
    `${proxy.name}: while the gateway cannot tell, 503 and when to ask again; the service’s own 500 passes`,
    async (t) => {
      const { url, service, alice, gateway } = await behind(proxy, t)
      const ask = (path = '/orders/1') => fetch(url + path, { headers: alice })
      const broken = await ask('/orders/broken')
      t.strictSame([broken.status, await broken.text()], [500, 'the service’s own response'])
      const received = service.received.length
      gateway.app.revocation.isStale = () => true
      const unknown = await ask()
      t.equal(unknown.status, 503)
      t.match(unknown.headers.get('retry-after'), /^[1-9]\d*$/)
      t.match(unknown.headers.get('content-type'), 'application/problem+json')
      t.equal(unknown.headers.get('cache-control'), 'no-store')
      await gateway.app.close()
      t.ok([502, 503].includes((await ask()).status), 'nobody to ask')
      t.equal(service.received.length, received)
    },
  )
}
