// Cookies of services whose paths or names clients do not see: where each one is good for afterwards.
import t from 'tap'
import { publicCookie } from '../../../../plugins/forward/headers/set-cookie.ts'
import { compileRoutes, type RouteConfig } from '../../../../plugins/forward/route/compile.ts'

function route(config: Partial<RouteConfig>) {
  const [compiled] = compileRoutes([{ prefix: '/orders', upstream: 'http://orders.internal:4000', ...config }])
  if (compiled === undefined) throw new Error('one route in, one route out')
  return compiled
}

t.test('the Path is rewritten as Location is, by whole segments, and everything else stays', (t) => {
  const rewritten = route({ rewrite: '/v1' })
  for (const [cookie, expected] of [
    ['id=1; Path=/v1', 'id=1; Path=/orders'],
    ['id=1; Path=/v1/', 'id=1; Path=/orders'],
    ['id=1; Path=/v1/a/b; Secure', 'id=1; Path=/orders/a/b; Secure'],
    ['id="a; Path=/v1 ;HttpOnly;  SameSite=Lax', 'id="a; Path=/orders ;HttpOnly;  SameSite=Lax'],
    ['id=/v1;path=/v1;PATH = /v1/x', 'id=/v1;path=/orders;PATH = /orders/x'],
    ['Path=/v1', 'Path=/v1'],
    ['id=1; Path=/v10', 'id=1; Path=/v10'],
    ['id=1; Path=/', 'id=1; Path=/'],
    ['id=1; Path=v1', 'id=1; Path=v1'],
    ['id=1; Path="/v1"', 'id=1; Path="/v1"'],
    ['id=1; Path', 'id=1; Path'],
    ['id=1; Path=', 'id=1; Path='],
    ['id=1; Pathological=/v1', 'id=1; Pathological=/v1'],
    ['id=\xfc\xe9; Path=/v1; Domain=a.test', 'id=\xfc\xe9; Path=/orders; Domain=a.test'],
    ['__Host-id=1; Secure; Path=/', '__Host-id=1; Secure; Path=/'],
    ['', ''],
    [';;', ';;'],
  ] as const) {
    t.equal(publicCookie(cookie, rewritten), expected, cookie)
  }
  t.end()
})

t.test('a prefix that is cut off, or a base that is put in front', (t) => {
  const cut = route({ rewrite: '/' })
  t.equal(publicCookie('id=1; Path=/', cut), 'id=1; Path=/orders')
  t.equal(publicCookie('id=1; Path=/a', cut), 'id=1; Path=/orders/a')
  t.equal(publicCookie('__Host-id=1; Path=/; Secure', cut), '__Host-id=1; Path=/; Secure', 'which takes no other path')
  const based = route({ prefix: '/', upstream: 'http://orders.internal:4000/base' })
  t.equal(publicCookie('id=1; Path=/base', based), 'id=1; Path=/')
  t.equal(publicCookie('id=1; Path=/base/', based), 'id=1; Path=/')
  t.equal(publicCookie('id=1; Path=/base/a', based), 'id=1; Path=/a')
  t.equal(publicCookie('id=1; Path=/other', based), 'id=1; Path=/other')
  t.equal(publicCookie('id=1; Path=/orders', route({})), 'id=1; Path=/orders', 'nothing is replaced')
  t.end()
})

t.test('the Domain stays, or is taken out where the route says so', (t) => {
  const cookie = 'id=1; Domain=orders.internal; domain = x;Secure; Domain; DomainX=1; Path=/v1'
  t.equal(publicCookie(cookie, route({})), cookie)
  t.equal(publicCookie(cookie, route({ cookieDomain: 'drop' })), 'id=1;Secure; DomainX=1; Path=/v1')
  t.equal(publicCookie('Domain=x', route({ cookieDomain: 'drop' })), 'Domain=x', 'which is its name')
  const both = route({ cookieDomain: 'drop', rewrite: '/v1' })
  t.equal(publicCookie('id=1; Domain=x; Path=/v1', both), 'id=1; Path=/orders')
  t.end()
})
