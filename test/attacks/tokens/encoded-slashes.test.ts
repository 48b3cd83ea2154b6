// `%2F` in paths of routes that let it through: names with slashes reach their service as they came, and no policy is split by
// them, whoever reads them as slashes. Forwarded, and asked about by a proxy.
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../../plugins/forward/index.ts'
import { describeRouteOf } from '../../plugins/forward/openapi/scene.ts'
import { bearer, startGateway } from '../../support/gateway.ts'
import { sendRaw } from '../../support/raw-client.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const responses = { responses: { 200: { description: 'ok' } } }
const admin = { 'x-cardea-policy': { roles: ['admin'] } }
const document = {
  openapi: '3.1.0',
  info: { title: 'projects', version: '1' },
  paths: {
    '/projects/{id}': { get: responses },
    '/projects/{id}/secrets': { get: { ...responses, ...admin } },
    '/projects/all/{name}': { get: { ...responses, ...admin } },
  },
}

async function sceneOf(t: Test) {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const { url: upstream } = service
  const roles = ['admin']
  const documented = await describeRouteOf(t, document, { prefix: '/projects', upstream, encodedSlashes: 'pass' })
  const routes: RouteConfig[] = [
    { prefix: '/npm', upstream, encodedSlashes: 'pass' },
    { prefix: '/npm/-/all', upstream, policy: { roles } },
    { prefix: '/rabbit', upstream, encodedSlashes: 'pass', rewrite: '/' },
    { prefix: '/strict', upstream },
    documented.route,
    { prefix: '/', upstream: `${upstream}/base`, encodedSlashes: 'pass' },
  ]
  const gateway = await startGateway(t, { config: { routes }, documents: documented.documents })
  const alice = bearer(await gateway.signIn())
  const port = Number(new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 })).port)
  /** The status of a forwarded request, what reached the service, and what `/auth/verify` says about it in two ways. */
  const ask = async (target: string) => {
    service.received.length = 0
    const send = async (path: string) => {
      const head = `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${alice.authorization}\r\nConnection: close\r\n\r\n`
      return Number((await sendRaw(port, head)).text.slice(9, 12))
    }
    const status = await send(target)
    const reached = service.received.map(({ url }) => url)
    const named = { 'x-original-uri': target, 'x-original-method': 'GET' }
    const asked = await gateway.app.inject({ url: '/auth/verify', headers: { ...alice, ...named } })
    return { status, reached, asked: [asked.statusCode, await send(`/auth/verify${target}`)] }
  }
  return { ask }
}

t.test('names with escaped slashes reach a service that wants them, as they came', async (t) => {
  const { ask } = await sceneOf(t)
  for (const [target, sent] of [
    ['/npm/@scope%2Fname', '/npm/@scope%2Fname'],
    ['/npm/@scope%2fname/-/name-1.0.0.tgz?x=%2F', '/npm/@scope%2fname/-/name-1.0.0.tgz?x=%2F'],
    ['/npm/%40scope%2F%6Eame', '/npm/%40scope%2Fname'],
    ['/rabbit/api/queues/%2F/work', '/api/queues/%2F/work'],
    ['/rabbit/api/exchanges/%2F', '/api/exchanges/%2F'],
    ['/projects/group%2Fsub%2Fname', '/projects/group%2Fsub%2Fname'],
    ['/elsewhere%2Fx', '/base/elsewhere%2Fx'],
    ['/a%2F%2Fb%2F', '/base/a%2F%2Fb%2F'],
  ] as const) {
    t.strictSame(await ask(target), { status: 200, reached: [sent], asked: [200, 200] }, target)
  }
})

t.test('what would be another route’s, the gateway’s, another operation’s or a dot segment is refused', async (t) => {
  const { ask } = await sceneOf(t)
  for (const target of [
    '/npm/-%2Fall',
    '/npm/-%2fall/x',
    '/npm/%2F-%2Fall',
    '/npm/-/%2Fall',
    '/npm/-%252Fall',
    '/npm/-%2FALL',
    '/npm/x%2F..%2F-%2Fall',
    '/npm/x%2F%2E%2E%2Fy',
    '/npm/..%2Fstrict',
    '/npm/.%2F',
    '/npm/a%2F..',
    '/npm/a%5C..%5C-%5Call',
    // Within a segment of the route for everything.
    '/npm%2F-%2Fall',
    '/npm%2Fx',
    '/strict%2Fx',
    '/auth%2Flogin',
    '/admin%2Fusers',
    '/%2Fadmin/users',
    '/x%2F..%2Fadmin',
    '/..%2Fsecret',
    '/projects%2F7',
    // Operations of a document.
    '/projects/7%2Fsecrets',
    '/projects/7%2fsecrets',
    '/projects/all%2F7',
    '/projects/%2F7%2Fsecrets',
    // Out of a prefix that is cut off, and out of the base of a service.
    '/rabbit%2F..%2Fx',
    '/rabbit/%2E%2E%2Fx',
    '/rabbit/a%2F..%2F..%2Fx',
    '/rabbit/..%3B%2F..%3B%2Fx',
    // A route that does not ask for it.
    '/strict/a%2Fb',
    '/strict/a%2fb',
  ]) {
    const { status, reached, asked } = await ask(target)
    t.strictSame({ status, reached, asked: asked[0] }, { status: 400, reached: [], asked: 403 }, target)
    t.match(String(asked[1]), /^40[03]$/, target)
  }
})

t.test('the gateway’s own routes take none', async (t) => {
  const { ask } = await sceneOf(t)
  for (const target of ['/auth/sessions/a%2Fb', '/livez%2F', '/auth%2Fverify/npm', '/admin/sessions/a%2Fb']) {
    t.match(await ask(target), { status: 400, reached: [] }, target)
  }
})
