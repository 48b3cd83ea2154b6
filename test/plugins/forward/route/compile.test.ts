// One route of the config: its schema, the mistakes a schema cannot see, and what is sent upstream.
import t from 'tap'
import Value from 'typebox/value'
import {
  compileRoutes,
  coversTarget,
  isReserved,
  type RouteConfig,
  routeSchema,
  routeViolations,
  upstreamTarget,
} from '../../../../plugins/forward/route/compile.ts'

const upstream = 'http://127.0.0.1:4000'

function compiled(config: Partial<RouteConfig>) {
  const [route] = compileRoutes([{ prefix: '/orders', upstream, ...config }])
  if (route === undefined) throw new Error('one route in, one route out')
  return route
}

t.test('the smallest route is valid and protected', async (t) => {
  t.ok(Value.Check(routeSchema, { prefix: '/orders', upstream }))
  const route = compiled({})
  for (const policy of Object.values(route.policies)) t.equal(policy, 'authenticated')
  t.match(route, {
    connectMs: 2000,
    headersMs: 30_000,
    bodyIdleMs: 30_000,
    bodyLimitBytes: 10_485_760,
    maxConcurrent: 256,
  })
  t.match(route, { forwardAuthorization: false, identityHeaders: true, credential: { accessCookie: false } })
})

t.test('the schema refuses what is not a route', async (t) => {
  const wrong: Record<string, unknown>[] = [
    { prefix: 'orders' },
    { prefix: '/orders/' },
    { prefix: '/orders/*' },
    { prefix: '/a%20b' },
    { upstream: 'ftp://x' },
    { upstream: 'http://user:secret@host' },
    { upstream: 'http://host/?q' },
    { upstream: 'http://host/%2e' },
    { upstream: 'http://' },
    { upstream: [] },
    { policy: 'open' },
    { policy: {} },
    { policy: { roles: [] } },
    { policy: { roles: ['a b'] } },
    { policy: { rolls: ['a'] } },
    { methods: { TRACE: 'public' } },
    { timeouts: { headers: '0s' } },
    { timeouts: { totalMs: 1 } },
    { bodyLimitBytes: -1 },
    { maxConcurrent: 0 },
    { unknown: true },
  ]
  for (const change of wrong) {
    t.notOk(Value.Check(routeSchema, { prefix: '/orders', upstream, ...change }), JSON.stringify(change))
  }
})

t.test('all mistakes are told at once, each with its place', async (t) => {
  const violations = routeViolations([
    { prefix: '/auth', upstream },
    { prefix: '/orders', upstream: ['http://a/x', 'http://b/y'] },
    { prefix: '/orders', upstream: 'http://a:70000' },
    { prefix: '/a/../b', upstream, rewrite: '/.' },
    { prefix: '/.well-known/x', upstream },
  ])
  t.same(
    violations.map(({ path }) => path),
    ['/0/prefix', '/1/upstream', '/2/prefix', '/2/upstream', '/3/prefix', '/3/rewrite', '/4/prefix'],
  )
  t.throws(() => compileRoutes([{ prefix: '/admin', upstream }]), /admin/)
})

t.test('a policy for one method beats that of the route, and HEAD follows GET', async (t) => {
  const route = compiled({
    policy: { roles: ['clerk'] },
    methods: { GET: 'public', DELETE: { scopes: ['orders:delete'] } },
  })
  t.equal(route.policies.GET, 'public')
  t.equal(route.policies.HEAD, 'public')
  t.same(route.policies.POST, { roles: ['clerk'] })
  t.same(route.policies.OPTIONS, { roles: ['clerk'] })
  t.same(route.policies.DELETE, { scopes: ['orders:delete'] })
  t.same(compiled({ methods: { GET: 'public', HEAD: 'authenticated' } }).policies.HEAD, 'authenticated')
})

t.test('a prefix covers whole segments of the raw target', async (t) => {
  for (const target of ['/orders', '/orders/', '/orders/1', '/orders?x', '/orders/?x'])
    t.ok(coversTarget('/orders', target), target)
  for (const target of ['/ordersx', '/order', '/orders%2F', '/Orders', '/', '/orders.json'])
    t.notOk(coversTarget('/orders', target), target)
  t.ok(coversTarget('/', '/anything'))
})

t.test('what is the gateway’s own is known by whole segments', async (t) => {
  for (const target of ['/auth', '/auth/x', '/metrics?x', '/.well-known/jwks.json']) t.ok(isReserved(target), target)
  for (const target of ['/author', '/', '/x/auth']) t.notOk(isReserved(target), target)
})

t.test(
  'what was matched is what is sent, byte for byte, with the prefix replaced where the route says so',
  async (t) => {
    const cases: [Partial<RouteConfig>, string, string][] = [
      [{}, '/orders/%20?a=%zz&a', '/orders/%20?a=%zz&a'],
      [{ rewrite: '/v1' }, '/orders', '/v1'],
      [{ rewrite: '/v1' }, '/orders?x', '/v1?x'],
      [{ rewrite: '/v1' }, '/orders/7/', '/v1/7/'],
      [{ rewrite: '/' }, '/orders', '/'],
      [{ rewrite: '/' }, '/orders?x', '/?x'],
      [{ rewrite: '/' }, '/orders/7', '/7'],
      [{ upstream: `${upstream}/base/` }, '/orders/7', '/base/orders/7'],
      [{ upstream: `${upstream}/base`, rewrite: '/' }, '/orders', '/base'],
      [{ upstream: `${upstream}/base`, rewrite: '/' }, '/orders/7', '/base/7'],
      [{ prefix: '/', upstream: `${upstream}/base` }, '/7', '/base/7'],
      [{ prefix: '/', rewrite: '/v1' }, '/?x', '/v1/?x'],
    ]
    for (const [config, target, sent] of cases) t.equal(upstreamTarget(compiled(config), target), sent)
  },
)

t.test('an instance is taken apart once: origin, host, base', async (t) => {
  const route = compiled({ upstream: ['http://Host.Internal:4000/b', 'https://[::1]/b/'] })
  t.match(route.instances, [
    { origin: 'http://host.internal:4000', host: 'host.internal:4000', base: '/b' },
    { origin: 'https://[::1]', host: '[::1]', base: '/b' },
  ])
})
