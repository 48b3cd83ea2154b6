// Spellings of a path by which a service that reads loosely (capital letters, blanks, dots, escapes decoded twice) is asked for
// what another policy guards: forwarded and asked about, under prefixes and under a document. What means one thing passes.
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { compileRoutes } from '../../../plugins/forward/route/compile.ts'
import { describeRouteOf } from '../../plugins/forward/openapi/scene.ts'
import { bearer, startGateway } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const responses = { responses: { 200: { description: 'ok' } } }
const document = {
  openapi: '3.1.0',
  info: { title: 'things', version: '1' },
  paths: {
    '/things/{id}': { get: responses },
    '/things/mine': { get: { ...responses, 'x-cardea-policy': { roles: ['admin'] } } },
    '/things/{id}.pdf': { get: { ...responses, 'x-cardea-policy': { roles: ['admin'] } } },
    '/things/{id}/parts/{part}': { get: responses },
    '/things/all/parts/{part}': { get: { ...responses, 'x-cardea-policy': { roles: ['admin'] } } },
  },
}

async function sceneOf(t: Test) {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const { url: upstream } = service
  const admins = { roles: ['admin'] }
  const documented = await describeRouteOf(t, document, { prefix: '/things', upstream })
  const routes: RouteConfig[] = [
    { prefix: '/shop', upstream },
    { prefix: '/shop/admin', upstream, policy: admins },
    { prefix: '/shop/kasse', upstream, policy: admins },
    { prefix: '/Wiki', upstream },
    { prefix: '/alone', upstream },
    documented.route,
    { prefix: '/', upstream },
  ]
  const gateway = await startGateway(t, { config: { routes }, documents: documented.documents })
  const alice = bearer(await gateway.signIn())
  const port = Number(new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 })).port)
  /** The status of a forwarded request, and of what `/auth/verify` says about it. */
  const ask = async (target: string) => {
    service.received.length = 0
    const head = `GET ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: ${alice.authorization}\r\nConnection: close\r\n\r\n`
    const { text } = await sendRaw(port, head)
    const named = { 'x-original-uri': target, 'x-original-method': 'GET' }
    const asked = await gateway.app.inject({ url: '/auth/verify', headers: { ...alice, ...named } })
    return { status: Number(text.slice(9, 12)), text, asked: asked.statusCode, received: service.received.length }
  }
  return { ask }
}

t.test(
  'a path that some service reads as another route’s, the gateway’s or another operation’s is refused',
  async (t) => {
    const { ask } = await sceneOf(t)
    t.match(await ask('/shop/admin/secret'), { status: 403, asked: 403, received: 0 })
    for (const target of [
      '/shop/ADMIN/secret',
      '/shop/Admin',
      '/shop/aDmin?x=1',
      '/shop/admin%20/x',
      '/shop/%20admin/x',
      '/shop/admin./x',
      '/shop/admin.',
      '/shop/admin..%20.?x',
      '/shop/%2561dmin/x',
      '/shop/%252561dmin/x',
      '/shop/%41dmin/x',
      '/SHOP/%61dmin/x',
      '/shop/%2561dmin%2Fx',
      '/shop/%25252525252561dmin/x',
      '/shop/x%252F..%252Fadmin/y',
      '/shop/x%255C..%255Cadmin/y',
      '/shop/admin%253Bx/y',
      '/shop/admin%3Bx/y',
      '/shop/admin%3Fx',
      '/shop/admin%23x',
      '/shop/admin%2500.png',
      // Kelvin sign, long s, dotless i, an accent, a wide letter, a soft hyphen.
      '/shop/%E2%84%AAasse/1',
      '/shop/ka%C5%BFse/1',
      '/shop/adm%C4%B1n/1',
      '/shop/%C3%A4dmin/1',
      '/shop/%EF%BD%81dmin/1',
      '/shop/ad%C2%ADmin/1',
      // Out of their prefix.
      '/alone/%252e%252e/shop/admin',
      '/alone/%252e%252e/admin/users',
      // To a route for everything, another route and the gateway’s own.
      '/SHOP/admin/x',
      '/Shop',
      '/wiki/x',
      '/ADMIN/users',
      '/Auth/login',
      // Operations of a document.
      '/things/MINE',
      '/things/mine%20',
      '/things/%256Dine',
      '/things/report.PDF',
      '/things/ALL/parts/1',
      '/things/All/parts/X',
    ]) {
      const { status, text, asked, received } = await ask(target)
      t.match({ status, asked, received }, { status: 400, asked: 403, received: 0 }, target)
      t.match(text, '"code":"path_not_canonical"', target)
    }
  },
)

t.test('what means one thing to everybody passes as it came', async (t) => {
  const { ask } = await sceneOf(t)
  for (const target of [
    '/shop/Adminx/1',
    '/shop/administration',
    '/shop/A%20b/C.txt?next=/shop/ADMIN',
    '/shop/100%25',
    '/shop/%2525',
    '/shop/x/Admin',
    '/shop/...',
    '/shop/a.b./c',
    '/shop/%C3%84pfel/%C3%9F',
    '/Wiki/Main_Page',
    '/alone/ADMIN/%2561dmin/x.',
    '/alone/a%252Fb',
    '/alone/',
    '/Elsewhere/X.',
    '/things/ABC-7',
    '/things/7.',
    '/things/MineX',
    '/things/A%20B/parts/C',
  ]) {
    const { status, asked, received } = await ask(target)
    t.match({ status, asked, received }, { status: 200, asked: 200, received: 1 }, target)
  }
})

t.test('two prefixes that differ in capital letters only are a mistake of the config', async (t) => {
  const routes = ['/shop', '/Shop'].map((prefix) => ({ prefix, upstream: 'http://127.0.0.1:9' }))
  t.throws(() => compileRoutes(routes), /\/Shop differs from \/shop in capital letters only/)
})

t.test('what no route covers is nobody’s to pass on, unless the config says so', async (t) => {
  const routes: RouteConfig[] = [{ prefix: '/shop', upstream: 'http://127.0.0.1:9', policy: { roles: ['admin'] } }]
  const statusesOf = async (uncovered: 'refuse' | 'authenticated') => {
    const gateway = await startGateway(t, { config: { routes, verify: { uncovered } } })
    const alice = bearer(await gateway.signIn())
    const ask = async (headers: Record<string, string>, target?: string) => {
      const named = target === undefined ? {} : { 'x-original-uri': target, 'x-original-method': 'GET' }
      return (await gateway.app.inject({ url: '/auth/verify', headers: { ...headers, ...named } })).statusCode
    }
    const { app } = gateway
    const envoy = (await app.inject({ url: '/auth/verify/elsewhere', headers: alice })).statusCode
    const targets = ['/elsewhere', '/admin/users', '/SHOP/1', '/%2573hop', undefined]
    const statuses = await Promise.all(targets.map((target) => ask(alice, target)))
    return [...statuses, envoy, await ask({}, '/elsewhere')]
  }
  t.strictSame(await statusesOf('refuse'), [403, 403, 403, 403, 403, 403, 403])
  t.strictSame(await statusesOf('authenticated'), [200, 200, 403, 403, 200, 200, 401])
})
