// What of a request and its response passes by a route's choice: the client's Host, further origins of the service, the cookies'
// Domain, and fields of a trusted proxy that go on. The gateway and its service are real.
import t from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { gatewayFor, upstreamFor } from './gateway.ts'

const proxied = { trustProxy: ['127.0.0.1'] }
const names = ['x-request-id', 'x-forwarded-prefix', 'x-forwarded-port', 'forwarded'] as const

t.test('the service gets the client’s Host where the route says so, whichever instance it is', async (t) => {
  const upstream = await upstreamFor(t)
  const gone = 'http://127.0.0.1:1'
  const { url } = await gatewayFor(
    t,
    [
      { prefix: '/pass', upstream: [gone, upstream.url], policy: 'public', host: 'pass' },
      { prefix: '/kept', upstream: [gone, upstream.url], policy: 'public' },
    ],
    proxied,
  )
  for (const path of ['/pass', '/kept']) {
    await fetch(`${url}${path}`)
    await fetch(`${url}${path}`, { headers: { 'x-forwarded-host': 'www.example' } })
  }
  const own = new URL(upstream.url).host
  t.strictSame(
    upstream.received.map(({ headers }) => headers.host),
    [new URL(url).host, 'www.example', own, own],
  )
})

t.test('a Location at a further origin of the service becomes a path of the route', async (t) => {
  const locations: Record<string, string> = {
    '/v1/a': 'https://Orders.example.com/v1/next?x',
    '/v1/b': 'http://orders.example.com:8080/v1/next',
    '/v1/c': 'https://orders.example.com:443/v1',
    '/v1/d': 'https://orders.example.com.evil.test/v1',
    '/v1/e': 'https://other.example.com/v1',
    '/v1/f': '//orders.example.com/v1/x',
  }
  const upstream = await upstreamFor(t, ({ url }, response) => {
    response
      .writeHead(302, { location: locations[url] ?? '', 'set-cookie': 'id=1; Path=/v1; Domain=example.com' })
      .end()
  })
  const ownOrigins = ['https://orders.example.com', 'http://ORDERS.example.com:8080']
  const route: RouteConfig = { prefix: '/orders', upstream: upstream.url, policy: 'public', rewrite: '/v1', ownOrigins }
  const { url } = await gatewayFor(t, [{ ...route, cookieDomain: 'drop' }])
  const ask = async (path: string) => {
    const { headers } = await fetch(`${url}/orders${path}`, { redirect: 'manual' })
    t.equal(headers.get('set-cookie'), 'id=1; Path=/orders')
    return headers.get('location')
  }
  t.equal(await ask('/a'), '/orders/next?x')
  t.equal(await ask('/b'), '/orders/next')
  t.equal(await ask('/c'), '/orders')
  t.equal(await ask('/d'), locations['/v1/d'])
  t.equal(await ask('/e'), locations['/v1/e'])
  t.equal(await ask('/f'), '/orders/x')
})

async function heard(t: Parameters<typeof gatewayFor>[0], options: object, changes: Partial<RouteConfig> = {}) {
  const upstream = await upstreamFor(t)
  const route: RouteConfig = { prefix: '/orders', upstream: upstream.url, policy: 'public', rewrite: '/v1' }
  const { url } = await gatewayFor(t, [{ ...route, ...changes }], options)
  return async (headers: Record<string, string>) => {
    upstream.received.length = 0
    const response = await fetch(`${url}/orders`, { headers })
    const got = upstream.received[0]?.headers ?? {}
    return {
      url,
      own: response.headers.get('x-request-id'),
      ...Object.fromEntries(names.map((name) => [name, got[name]])),
    }
  }
}

const said = {
  'x-request-id': 'f81d4fae-7dec-11d0',
  'x-forwarded-prefix': '/outer',
  'x-forwarded-port': '8443',
  forwarded: 'for=203.0.113.9;proto=https, for="[2001:db8::1]:47011"',
}

t.test('fields of a trusted proxy go on where the route says so', async (t) => {
  const ask = await heard(t, proxied, { continues: [...names] })
  const got = await ask(said)
  const host = new URL(got.url).host
  t.match(got, {
    ...said,
    'x-forwarded-prefix': '/outer/orders',
    forwarded: `${said.forwarded}, for=127.0.0.1;host="${host}";proto=http`,
  })
  t.not(got.own, said['x-request-id'], 'our own log and responses keep ours')
  const one = await heard(t, proxied, { continues: ['x-forwarded-port'] })
  t.match(await one(said), {
    'x-request-id': /^req-/,
    'x-forwarded-prefix': '/orders',
    'x-forwarded-port': '8443',
    forwarded: undefined,
  })
})

t.test('they begin anew without that, and from anybody else', async (t) => {
  const anew = {
    'x-request-id': /^req-/,
    'x-forwarded-prefix': '/orders',
    'x-forwarded-port': undefined,
    forwarded: undefined,
  }
  t.match(await (await heard(t, proxied))(said), anew)
  t.match(await (await heard(t, {}, { continues: [...names] }))(said), anew)
  t.match(await (await heard(t, { trustProxy: ['192.0.2.1'] }, { continues: [...names] }))(said), anew)
})

t.test('what has not the form of its field is as if it were not there', async (t) => {
  const ask = await heard(t, proxied, { continues: [...names] })
  for (const [name, values] of Object.entries({
    'x-request-id': ['a b', '', 'a"b', 'x'.repeat(129), '<x>'],
    'x-forwarded-prefix': ['outer', '/', '//evil.test', '/a/../b', '/a/.', '/a?b', '/a/', 'https://evil.test', '/%2e'],
    'x-forwarded-port': ['0', '080', '123456', '8443, 1', 'x', '-1'],
    forwarded: ['for', 'for=[::1]', 'for="a', 'for=a b', 'for="\u00e9"', ',', `for=${'a'.repeat(2048)}`, 'for=a=b'],
  })) {
    for (const value of values) {
      const got = await ask({ [name]: value })
      const anew = {
        'x-request-id': /^req-/,
        'x-forwarded-prefix': '/orders',
        'x-forwarded-port': undefined,
        forwarded: undefined,
      }
      t.match(got, anew, `${name}: ${value}`)
    }
  }
})
