// Which policies a request would meet, for proxies that only ask: those of the route, or of the operation its document describes.
import t from 'tap'
import { Coverage } from '../../plugins/forward/coverage.ts'
import { compileRoutes } from '../../plugins/forward/index.ts'
import { compileDocument } from '../../plugins/forward/openapi/compile.ts'

const upstream = 'http://127.0.0.1:9'
const answers = { responses: { 200: { description: 'ok' } } }
const document = {
  openapi: '3.1.0',
  info: { title: 'orders', version: '1' },
  paths: {
    '/orders/{id}': { get: answers, delete: { ...answers, 'x-cardea-policy': { roles: ['admin'] } } },
    '/orders/special': { get: { ...answers, 'x-cardea-policy': { roles: ['staff'] } } },
  },
}

async function coverageOf(): Promise<Coverage> {
  const routes = compileRoutes([
    { prefix: '/plain', upstream, methods: { DELETE: { roles: ['admin'] } } },
    { prefix: '/plain/open', upstream, policy: 'public' },
    { prefix: '/orders', upstream, openapi: 'http://127.0.0.1:9/openapi.json' },
  ])
  const coverage = new Coverage()
  for (const route of routes) coverage.addRoute(route)
  const described = routes.find(({ openapi }) => openapi !== undefined)
  if (described === undefined) throw new Error('no route has a document')
  const files = new Map<string, unknown>([['root', document]])
  const compiled = await compileDocument(
    { root: 'root', files },
    {
      mapping: { prefix: '/orders', replacement: '/orders' },
      policies: described.policies,
      policySource: 'config',
      passesUndeclaredQuery: false,
      bodyLimitBytes: 1024,
    },
  )
  for (const operation of compiled.operations) coverage.addOperation(described, operation)
  return coverage
}

t.test('a route without a document has its policy for the method', async (t) => {
  const coverage = await coverageOf()
  t.strictSame(coverage.of('/plain/1', 'GET')?.policies, ['authenticated'])
  t.strictSame(coverage.of('/plain/1', 'DELETE')?.policies, [{ roles: ['admin'] }])
  t.strictSame(coverage.of('/plain/open?x', 'DELETE')?.policies, ['public'])
  t.equal(coverage.of('/elsewhere', 'GET'), undefined)
  t.equal(coverage.of('/auth/login', 'GET'), undefined)
})

t.test('a route with a document has the policies of the operation, of all where templates overlap', async (t) => {
  const coverage = await coverageOf()
  t.strictSame(coverage.of('/orders/7?x=1', 'GET')?.policies, ['authenticated'])
  t.strictSame(coverage.of('/orders/7', 'DELETE')?.policies, ['authenticated', { roles: ['admin'] }])
  t.match(coverage.of('/orders/special', 'GET')?.policies?.flat(), ['authenticated'])
  t.match(JSON.stringify(coverage.of('/orders/special', 'GET')?.policies), /staff/)
})

t.test('what the document does not describe is covered and has none', async (t) => {
  const coverage = await coverageOf()
  t.match(coverage.of('/orders/7', 'PATCH'), { policies: undefined, route: { prefix: '/orders' } })
  t.match(coverage.of('/orders/7/8', 'GET'), { policies: undefined })
  t.match(coverage.of('/orders', 'GET'), { policies: undefined })
})
