// Forwarding as a client and a service see it: routes, policies, limits, timeouts, answers. Bodies are in streaming.test.ts.
import type { ServerResponse } from 'node:http'
import cors from '@fastify/cors'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { startFakeUpstream, startRawUpstream, startStreamingUpstream } from '../../support/upstream.ts'
import { gatewayFor, startGateway, upstreamFor } from './gateway.ts'

const alice = { authorization: 'Bearer alice' }

t.test('a request goes through: method, target, body, status and fields', async (t) => {
  const upstream = await upstreamFor(t, ({ body }, response) => {
    response.writeHead(201, { 'content-type': 'text/odd', 'x-theirs': '1' })
    response.end(`got ${body}`)
  })
  const { url } = await gatewayFor(t, [{ prefix: '/orders', upstream: upstream.url }])
  const response = await fetch(`${url}/orders/7?a=b%2F&c`, {
    method: 'PUT',
    body: '{"a":',
    headers: { ...alice, 'content-type': 'application/json ; charset=utf-8' },
  })
  t.equal(response.status, 201)
  t.equal(await response.text(), 'got {"a":')
  t.match(Object.fromEntries(response.headers), {
    'content-type': 'text/odd',
    'x-theirs': '1',
    via: '1.1 cardea',
    'cache-control': 'private, no-store',
  })
  t.ok(response.headers.get('x-request-id'))
  t.match(upstream.received, [
    {
      method: 'PUT',
      url: '/orders/7?a=b%2F&c',
      body: '{"a":',
      headers: { host: new URL(upstream.url).host, 'x-auth-subject': 'alice', 'content-length': '5' },
    },
  ])
  t.notOk(upstream.received[0]?.headers.authorization)
  t.equal(upstream.received[0]?.headers['x-request-id'], response.headers.get('x-request-id'))
})

t.test('the policy of a route holds for each method, HEAD and OPTIONS too, and before the body', async (t) => {
  const upstream = await upstreamFor(t)
  const { url, port } = await gatewayFor(t, [
    { prefix: '/orders', upstream: upstream.url, methods: { POST: { roles: ['admin'] } } },
    { prefix: '/orders/open', upstream: upstream.url, policy: 'public' },
    { prefix: '/billing', upstream: upstream.url, audience: 'billing' },
  ])
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    t.equal((await fetch(`${url}/orders/1`, { method })).status, 401, method)
  }
  t.equal(upstream.received.length, 0)
  t.equal((await fetch(`${url}/orders/1`, { method: 'POST', headers: alice })).status, 403)
  t.equal((await fetch(`${url}/orders/1`, { headers: alice })).status, 200)
  t.equal((await fetch(`${url}/orders/open`)).status, 200)
  t.equal((await fetch(`${url}/orders/openly`)).status, 401)
  t.equal((await fetch(`${url}/orders/open/x`)).status, 200)
  t.equal((await fetch(`${url}/billing`, { headers: alice })).status, 401)
  t.equal((await fetch(`${url}/billing`, { headers: { authorization: 'Bearer billing' } })).status, 200)
  const early = await sendRaw(port, 'POST /orders/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nonly this')
  t.match(early, { text: /^HTTP\/1.1 401 /, closed: true })
})

t.test('a token in the query string is no token, and the query goes on as it is', async (t) => {
  const upstream = await upstreamFor(t)
  const { url } = await gatewayFor(t, [{ prefix: '/orders', upstream: upstream.url }])
  t.equal((await fetch(`${url}/orders?access_token=alice`)).status, 401)
})

t.test('the longest prefix wins, what is no prefix is 404, and what is the gateway’s own stays so', async (t) => {
  const [root, orders, eu] = [await upstreamFor(t), await upstreamFor(t), await upstreamFor(t)]
  const { url } = await gatewayFor(t, [
    { prefix: '/', upstream: root.url, policy: 'public' },
    { prefix: '/orders', upstream: orders.url, policy: 'public' },
    { prefix: '/orders/eu', upstream: eu.url, policy: 'public' },
  ])
  for (const path of ['/', '/x', '/ordersx', '/order', '/orders/eu', '/orders/eu/1', '/orders/europe', '/orders'])
    await fetch(url + path)
  t.same(
    root.received.map((one) => one.url),
    ['/', '/x', '/ordersx', '/order'],
  )
  t.same(
    orders.received.map((one) => one.url),
    ['/orders/europe', '/orders'],
  )
  t.same(
    eu.received.map((one) => one.url),
    ['/orders/eu', '/orders/eu/1'],
  )
  for (const path of ['/auth/login', '/admin', '/.well-known/x', '/metrics?x'])
    t.equal((await fetch(url + path)).status, 404, path)
  t.equal(root.received.length, 4)
  t.match(await (await fetch(`${url}/own`)).json(), { own: true })
})

t.test('GHSA-v574-6498-x57v: origin and path are never joined into a key', async (t) => {
  const upstream = await upstreamFor(t)
  const other = await upstreamFor(t)
  const { url } = await gatewayFor(t, [
    { prefix: '/a', upstream: upstream.url, policy: 'public', rewrite: '/' },
    { prefix: '/b', upstream: other.url, policy: 'public' },
  ])
  for (const path of ['/a/1/private', '/b/1/private', '/a/@evil.example/', '/a/:80/x']) await fetch(url + path)
  t.same(
    upstream.received.map((one) => one.url),
    ['/1/private', '/@evil.example/', '/:80/x'],
  )
  t.same(
    other.received.map((one) => one.url),
    ['/b/1/private'],
  )
})

t.test('nothing a client sends selects the service', async (t) => {
  const upstream = await upstreamFor(t)
  const decoy = await upstreamFor(t)
  const { port } = await gatewayFor(t, [{ prefix: '/orders', upstream: upstream.url, policy: 'public' }])
  const host = new URL(decoy.url).host
  await sendRaw(
    port,
    `GET http://${host}/orders HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Host: ${host}\r\nForwarded: host=${host}\r\nX-Original-URL: ${decoy.url}/\r\nConnection: close\r\n\r\n`,
  )
  t.equal(decoy.connections.length, 0)
  t.match(upstream.received, [{ url: '/orders', headers: { host: new URL(upstream.url).host } }])
})

t.test('several instances are taken in turn', async (t) => {
  const [one, two] = [await upstreamFor(t), await upstreamFor(t)]
  const { url } = await gatewayFor(t, [{ prefix: '/orders', upstream: [one.url, two.url], policy: 'public' }])
  for (let i = 0; i < 6; i += 1) await fetch(`${url}/orders/${i}`)
  t.same(
    [one, two].map(({ received }) => received.length),
    [3, 3],
  )
})

t.test('a service that is not there is 502, one that does not answer is 504', async (t) => {
  const gone = await startFakeUpstream()
  await gone.close()
  const silent = await startStreamingUpstream(() => {})
  t.teardown(() => silent.close())
  const { url } = await gatewayFor(t, [
    { prefix: '/gone', upstream: gone.url, policy: 'public' },
    { prefix: '/silent', upstream: silent.url, policy: 'public', timeouts: { headers: '60ms' } },
  ])
  for (const [path, status, code] of [
    ['/gone', 502, 'upstream_unreachable'],
    ['/silent', 504, 'upstream_timeout'],
  ] as const) {
    const response = await fetch(url + path)
    t.equal(response.status, status)
    t.match(response.headers.get('content-type'), /^application\/problem\+json/)
    t.match(await response.json(), { code })
  }
  const posted = await fetch(`${url}/silent`, { method: 'POST', body: 'x' })
  t.equal(posted.status, 504)
})

t.test('a service that takes a connection but never finishes it is 502 after the connect limit', async (t) => {
  // Nothing answers there: addresses of RFC 5737 are for documentation. Where there is no way to it at all, it is 502 at once.
  const { url } = await gatewayFor(t, [
    { prefix: '/far', upstream: 'http://192.0.2.1:81', policy: 'public', timeouts: { connect: '60ms' } },
  ])
  const response = await fetch(`${url}/far`)
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'upstream_unreachable' })
})

t.test('beyond the places at a service it is 503 with Retry-After, and places come back', async (t) => {
  const waiting: ServerResponse[] = []
  const upstream = await upstreamFor(t, (_request, response) => void waiting.push(response))
  const { url } = await gatewayFor(t, [{ prefix: '/few', upstream: upstream.url, policy: 'public', maxConcurrent: 2 }])
  const first = [fetch(`${url}/few/1`), fetch(`${url}/few/2`)]
  await eventually('both are with the service', () => waiting.length === 2)
  const refused = await fetch(`${url}/few/3`)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.json(), { code: 'overloaded' })
  for (const response of waiting) response.end()
  for (const response of await Promise.all(first)) t.equal(response.status, 200)
  const again = fetch(`${url}/few/4`)
  await eventually('there is room again', () => waiting.length === 3)
  waiting[2]?.end()
  t.equal((await again).status, 200)
})

t.test('HEAD, 204, 304 and interim answers pass as they are', async (t) => {
  const responses: Record<string, string[]> = {
    '/x/204': ['HTTP/1.1 204 No Content\r\n\r\n'],
    '/x/304': ['HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n'],
    '/x/103': ['HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
    '/x/head': ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'],
  }
  const upstream = await startRawUpstream((socket, head) => {
    for (const part of responses[head.split(' ')[1] ?? ''] ?? []) socket.write(part)
  })
  t.teardown(() => upstream.close())
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }])
  t.equal((await fetch(`${url}/x/204`)).status, 204)
  t.equal((await fetch(`${url}/x/304`)).headers.get('etag'), '"a"')
  const hinted = await fetch(`${url}/x/103`)
  t.match([hinted.status, await hinted.text(), hinted.headers.get('link')], [200, 'hi', null])
  const head = await fetch(`${url}/x/head`, { method: 'HEAD' })
  t.match([head.status, head.headers.get('content-length')], [200, '10'])
})

t.test('a redirect is passed on, not followed, and does not show the service’s address', async (t) => {
  const upstream = await upstreamFor(t, (_request, response) => {
    response.writeHead(302, { location: `${upstream.url}/v1/new?x` }).end()
  })
  const { url } = await gatewayFor(t, [{ prefix: '/orders', upstream: upstream.url, policy: 'public', rewrite: '/v1' }])
  const response = await fetch(`${url}/orders/old`, { redirect: 'manual' })
  t.match([response.status, response.headers.get('location')], [302, '/orders/new?x'])
  t.equal(upstream.received.length, 1)
})

t.test('the client’s forwarding fields count only from a trusted proxy', async (t) => {
  const upstream = await upstreamFor(t)
  const forwarded = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'www.example',
    'x-real-ip': '6.6.6.6',
    forwarded: 'for=6.6.6.6',
  }
  for (const trustProxy of [[], ['127.0.0.1', '203.0.113.9'], ['127.0.0.1']]) {
    const { app, url } = await startGateway(
      [{ prefix: '/x', upstream: upstream.url, policy: 'public' }],
      trustProxy.length > 0 ? { trustProxy } : {},
    )
    await fetch(`${url}/x`, { headers: forwarded })
    await app.close()
  }
  const said = upstream.received.map(({ headers }) =>
    ['for', 'proto', 'host'].map((name) => headers[`x-forwarded-${name}`]?.toString().replace(/:\d+$/, '')),
  )
  t.strictSame(said, [
    ['127.0.0.1', 'http', '127.0.0.1'],
    ['6.6.6.6, 203.0.113.9, 127.0.0.1', 'https', 'www.example'],
    // What stands before the first untrusted address is hearsay.
    ['203.0.113.9, 127.0.0.1', 'https', 'www.example'],
  ])
  for (const { headers } of upstream.received) t.notOk(headers['x-real-ip'] ?? headers.forwarded)
})

t.test('a service hears of https and http alone, whatever a trusted proxy calls them', async (t) => {
  const upstream = await upstreamFor(t)
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }], {
    trustProxy: ['127.0.0.1'],
  })
  for (const proto of ['HTTPS', 'wss', 'ws', 'HTTP', 'x']) {
    await fetch(`${url}/x`, { headers: { 'x-forwarded-proto': proto } })
  }
  const said = upstream.received.map(({ headers }) => headers['x-forwarded-proto'])
  t.strictSame(said, ['https', 'https', 'http', 'http', 'http'])
})

t.test(
  'what a trusted proxy passes on as its client’s Host is passed on when it is one of ours, else refused',
  async (t) => {
    const upstream = await upstreamFor(t)
    const { app, url } = await startGateway([{ prefix: '/x', upstream: upstream.url, policy: 'public' }], {
      trustProxy: ['127.0.0.1'],
    })
    t.teardown(() => app.close())
    for (const host of [
      'www.example:8443',
      'user@www.example',
      '-:-',
      'www.example:',
      'evil.example',
      'a'.repeat(262),
    ]) {
      const { status } = await fetch(`${url}/x`, { headers: { 'x-forwarded-host': host } })
      t.equal(status, host === 'www.example:8443' ? 200 : 421, host)
    }
    const passed = upstream.received.map(({ headers }) => headers['x-forwarded-host'])
    t.strictSame(passed, ['www.example:8443'])
  },
)

t.test('fields that hooks set for the gateway’s own responses do not mix into a service’s', async (t) => {
  const upstream = await upstreamFor(t)
  const { url } = await gatewayFor(t, [{ prefix: '/x', upstream: upstream.url, policy: 'public' }], {
    before: (app) => {
      app.addHook('onRequest', async (_request, reply) => {
        reply.raw.setHeader('content-security-policy', "default-src 'none'")
        reply.header('access-control-allow-origin', 'https://app.example')
      })
    },
  })
  const { headers } = await fetch(`${url}/x`)
  t.equal(headers.get('content-security-policy'), null)
  t.equal(headers.get('access-control-allow-origin'), 'https://app.example')
})

t.test('the gateway answers a preflight from an allowed origin; any other OPTIONS meets the policy', async (t) => {
  const upstream = await upstreamFor(t)
  const { url } = await gatewayFor(
    t,
    [
      { prefix: '/', upstream: upstream.url },
      { prefix: '/open', upstream: upstream.url, policy: 'public' },
    ],
    {
      before: (app) =>
        void app.register(cors, { origin: ['https://app.example', 'https://b.example'], credentials: true }),
    },
  )
  const preflight = (path: string, origin: string) =>
    fetch(url + path, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET' } })
  const allowed = await preflight('/any/x', 'https://app.example')
  t.match([allowed.status, allowed.headers.get('access-control-allow-origin')], [204, 'https://app.example'])
  const foreign = await preflight('/any/x', 'https://evil.example')
  t.match([foreign.status, foreign.headers.get('access-control-allow-origin')], [401, null])
  t.equal((await fetch(`${url}/any/x`, { method: 'OPTIONS', headers: { origin: 'https://app.example' } })).status, 401)
  t.equal((await fetch(`${url}/any`, { method: 'OPTIONS' })).status, 401)
  t.equal(upstream.received.length, 0)
  t.equal((await fetch(`${url}/open/x`, { method: 'OPTIONS' })).status, 200)
  const response = await fetch(`${url}/open`, { headers: { origin: 'https://app.example' } })
  t.equal(response.headers.get('access-control-allow-origin'), 'https://app.example')
})
