// Attacks by way of /auth/verify: whatever a proxy asks, it is told what forwarding itself would decide, and is told it at once.
import t, { type Test } from 'tap'
import { compileRoutes, type RouteConfig } from '../../../plugins/forward/index.ts'
import { compileDocument } from '../../../plugins/forward/openapi/compile.ts'
import { bearer, startGateway, type TestGateway } from '../../support/gateway.ts'
import { sendRaw, statusesIn } from '../../support/raw-client.ts'
import { startFakeUpstream } from '../../support/upstream.ts'

const get = { get: { responses: { 200: { description: 'ok' } } } }
const forAdmins = { get: { ...get.get, 'x-cardea-policy': { roles: ['admin'] } } }
const document = {
  openapi: '3.1.0',
  info: { title: 'described', version: '1' },
  paths: {
    '/described/{id}': get,
    '/described/wow!': forAdmins,
    '/described/(all)': forAdmins,
    '/described/{from}...{to}...{by}': forAdmins,
    '/described/open/{id}': { get: { ...get.get, 'x-cardea-policy': 'public' } },
  },
}

async function documentsFor(route: RouteConfig) {
  const [compiled] = compileRoutes([route])
  if (compiled === undefined) throw new Error('no route')
  const files = new Map<string, unknown>([['root', document]])
  const options = { policySource: 'document', passesUndeclaredQuery: true, bodyLimitBytes: 1024 } as const
  const mapping = { prefix: route.prefix, replacement: route.prefix }
  const source = { root: 'root', files }
  return new Map([[route.prefix, await compileDocument(source, { ...options, mapping, policies: compiled.policies })]])
}

async function sceneOf(t: Test) {
  const service = await startFakeUpstream()
  t.teardown(() => service.close())
  const upstream = service.url
  const documented = { prefix: '/described', upstream, openapi: 'https://service.test/openapi.json' }
  const routes: RouteConfig[] = [
    { prefix: '/', upstream, policy: 'public' },
    { prefix: '/a', upstream, methods: { DELETE: { roles: ['admin'] }, HEAD: 'public', OPTIONS: 'public' } },
    { prefix: '/a/b', upstream, policy: { roles: ['admin'] } },
    { prefix: '/a/b/c', upstream, policy: 'public', methods: { GET: { scopes: ['none'] } } },
    { prefix: '/other', upstream, audience: 'https://orders.test' },
    documented,
  ]
  return startGateway(t, { config: { routes }, documents: await documentsFor(documented) })
}

const plain = [
  '/',
  '/x',
  '/a',
  '/a/',
  '/a?x=/a/b',
  '/a/b',
  '/a/b/',
  '/a/bc',
  '/a/b/c',
  '/a/b/cc',
  '/A/b',
  '/ab',
  '/other',
]
const documented = [
  '7',
  'wow!',
  'wow%21',
  '(all)',
  '%28all)',
  'x%20y',
  'a...b...c',
  'a...b',
  'open/1',
  'open/',
  '',
  'a/b',
]
const crooked = [
  '/a/../a/b',
  '/a/./b',
  '/a//b',
  '/%61/b',
  '/%2E%2E/b',
  '/a%2Fb',
  '/a;x',
  '/a\\b',
  '/a/b#c',
  '/a/%80',
  '/a/%C3',
  '/a/b%00',
]
const targets = [...plain, ...documented.map((rest) => `/described/${rest}`), ...crooked]

async function callersOf(gateway: TestGateway): Promise<Record<string, { authorization?: string }>> {
  const login = { username: 'alice', password: 'correct horse battery staple', delivery: 'body' }
  const other = await gateway.post('/auth/login', { ...login, resource: 'https://orders.test' })
  return {
    nobody: {},
    alice: bearer(await gateway.signIn()),
    root: bearer(await gateway.signInToServices('root')),
    'alice elsewhere': bearer(other.json()),
    forged: { authorization: 'Bearer x.y.z' },
  }
}

t.test('the same request is let through where it would be forwarded, and nowhere else', async (t) => {
  const gateway = await sceneOf(t)
  const port = Number(new URL(await gateway.app.listen({ host: '127.0.0.1', port: 0 })).port)
  for (const [name, headers] of Object.entries(await callersOf(gateway))) {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'] as const) {
      for (const target of targets) {
        const authorization = headers.authorization === undefined ? '' : `Authorization: ${headers.authorization}\r\n`
        const head = `${method} ${target} HTTP/1.1\r\nHost: a\r\n${authorization}Connection: close\r\n\r\n`
        const [forwarded] = statusesIn((await sendRaw(port, head)).text)
        const named = { 'x-original-uri': target, 'x-original-method': method }
        const asked = await gateway.app.inject({ url: '/auth/verify', headers: { ...headers, ...named } })
        t.equal(asked.statusCode === 200, forwarded === 200, `${name} ${method} ${target} ${forwarded}`)
        t.match(String(asked.statusCode), /^(200|401|403)$/)
      }
    }
  }
})

t.test('no path takes long to be checked, whoever asks', async (t) => {
  const gateway = await sceneOf(t)
  const headers = { 'x-original-uri': `/described/${'.'.repeat(8000)}/x`, 'x-original-method': 'GET' }
  const startedAt = performance.now()
  t.match(await gateway.app.inject({ url: '/auth/verify', headers }), { statusCode: 403 })
  t.ok(performance.now() - startedAt < 1000)
})
