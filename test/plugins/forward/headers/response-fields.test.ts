// The fields of a service's response that go to a client, as pure functions. What caches are told is in response-caching.test.ts.
import t from 'tap'
import {
  publicLocation,
  type ResponseContext,
  responseFields,
} from '../../../../plugins/forward/headers/response-fields.ts'
import { pairs, route, valuesOf } from './scene.ts'

function responded(received: Record<string, string | string[]>, context: Partial<ResponseContext> = {}) {
  const fields = Object.entries(received).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]))
  const connection = received['connection'] === undefined ? undefined : [received['connection']].flat().join(',')
  return pairs(
    responseFields(
      { fields, connection },
      {
        route: route(),
        statusCode: 200,
        requestId: 'r-1',
        authenticated: false,
        byCookie: false,
        allowOrigin: undefined,
        ...context,
      },
    ),
  )
}

t.test('names out of the language change nothing', async (t) => {
  const received = Object.fromEntries([
    ['constructor', 'y'],
    ['content-length', '2'],
  ])
  Object.defineProperty(received, '__proto__', { value: 'x', enumerable: true })
  t.same(valuesOf(responded(received), 'constructor'), ['y'])
})

t.test('a response keeps its fields, less those of the connection and those it nominates', async (t) => {
  const list = responded({
    'content-type': 'a/b',
    'set-cookie': ['a=1', 'b=2'],
    connection: 'X-Secret, content-length',
    'x-secret': '1',
    'keep-alive': 'timeout=5',
    'proxy-authenticate': 'Basic',
    'transfer-encoding': 'chunked',
    trailer: 'x',
    upgrade: 'h2c',
    'alt-svc': 'h3=":443"',
    'x-request-id': 'theirs',
    'content-length': '2',
    via: '1.1 inner',
  })
  t.same(list, [
    ['content-type', 'a/b'],
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['via', '1.1 inner'],
    ['content-length', '2'],
    ['via', '1.1 cardea'],
    ['x-request-id', 'r-1'],
  ])
})

t.test('a service cannot set a cookie of the gateway’s', async (t) => {
  const evil = [
    '__Host-cardea_refresh=x',
    '__host-CARDEA_refresh=x; Path=/',
    ' __Host-cardea_refresh=x',
    '=__Host-cardea_refresh=x',
    ' = __Host-cardea_refresh=x',
    '__Secure-cardea_x=1',
    '__Host-cardea_access=x; Path=/; Secure',
    '=__HOST-CARDEA_ACCESS=x',
  ]
  t.same(valuesOf(responded({ 'set-cookie': [...evil, '__Host-theirs=1'] }), 'set-cookie'), ['__Host-theirs=1'])
  for (const value of evil) t.same(valuesOf(responded({ 'set-cookie': value }), 'set-cookie'), [], value)
})

t.test('the gateway’s CORS decision stands in the place of the service’s', async (t) => {
  const theirs = { 'access-control-allow-origin': '*', 'access-control-allow-credentials': 'true' }
  const list = responded(theirs, { allowOrigin: 'https://app.example' })
  t.same(valuesOf(list, 'access-control-allow-origin'), ['https://app.example'])
  t.same(valuesOf(list, 'vary'), ['Origin'])
  const exposing = responded({ 'access-control-expose-headers': 'X-Total' }, { allowOrigin: 'https://app.example' })
  const exposed = valuesOf(exposing, 'access-control-expose-headers')
  t.match(exposed, ['X-Total', /^Retry-After, .*ETag$/], 'what the service lets scripts read, and what we do')
  t.same(valuesOf(responded(theirs), 'access-control-allow-origin'), ['*'])
})

t.test('a 204 has no Content-Length', async (t) => {
  t.same(valuesOf(responded({ 'content-length': '0' }, { statusCode: 204 }), 'content-length'), [])
})

t.test('a Location at the service’s own origin becomes a path of the route', async (t) => {
  const plain = route()
  const cases: [string, string][] = [
    ['http://orders.internal:4000/orders/7?x#y', '/orders/7?x#y'],
    ['HTTP://ORDERS.INTERNAL:4000/orders', '/orders'],
    ['//orders.internal:4000/orders', '/orders'],
    ['http://orders.internal:4000', '/'],
    ['http://orders.internal:4000?x', '/?x'],
    ['http://orders.internal:4000//evil.example/x', '/.//evil.example/x'],
    ['http://orders.internal:4000@evil.example/', 'http://orders.internal:4000@evil.example/'],
    ['http://orders.internal:40001/', 'http://orders.internal:40001/'],
    ['https://elsewhere.example/', 'https://elsewhere.example/'],
    ['/orders/7', '/orders/7'],
    ['7', '7'],
  ]
  for (const [location, expected] of cases) t.equal(publicLocation(location, plain), expected, location)
  const rewritten = route({ upstream: 'http://orders.internal/base', rewrite: '/v1' })
  t.equal(publicLocation('http://orders.internal:80/base/v1/7', rewritten), '/orders/7')
  t.equal(publicLocation('/base/v1?x', rewritten), '/orders?x')
  t.equal(publicLocation('/base/v10', rewritten), '/base/v10')
  const based = route({ prefix: '/', upstream: 'http://orders.internal/base' })
  for (const [location, expected] of [
    ['/base/7', '/7'],
    ['/base//evil.example', '/.//evil.example'],
    ['http://orders.internal/base//evil.example', '/.//evil.example'],
    ['/base/\\evil.example', '/./\\evil.example'],
    ['/base/\t/evil.example', '/./\t/evil.example'],
  ] as const) {
    t.equal(publicLocation(location, based), expected, `${location}: a path of the service names no host`)
  }
  t.equal(publicLocation('http://orders.internal:4000/\\evil.example', plain), '/./\\evil.example')
  t.same(
    valuesOf(
      responded({ location: 'http://orders.internal:4000/x', 'content-location': 'http://orders.internal:4000/y' }),
      'content-location',
    ),
    ['/y'],
  )
})
