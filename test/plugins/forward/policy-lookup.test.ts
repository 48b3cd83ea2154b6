// Tests of which policies a request would meet, for proxies that only ask: those of the route, or of the operation its
// document describes.
import t from 'tap'
import { compileRoutes } from '../../../plugins/forward/index.ts'
import { compileDocument } from '../../../plugins/forward/openapi/compile.ts'
import { PolicyLookup } from '../../../plugins/forward/policy-lookup.ts'

const upstream = 'http://127.0.0.1:9'
const responses = { responses: { 200: { description: 'ok' } } }
const document = {
  openapi: '3.1.0',
  info: { title: 'orders', version: '1' },
  paths: {
    '/orders/{id}': { get: responses, delete: { ...responses, 'x-cardea-policy': { roles: ['admin'] } } },
    '/orders/special': { get: { ...responses, 'x-cardea-policy': { roles: ['staff'] } } },
  },
}

async function policyLookupOf(): Promise<PolicyLookup> {
  const routes = compileRoutes([
    { prefix: '/plain', upstream, methods: { DELETE: { roles: ['admin'] } } },
    { prefix: '/plain/open', upstream, policy: 'public' },
    { prefix: '/orders', upstream, openapi: 'http://127.0.0.1:9/openapi.json' },
  ])
  const policyLookup = new PolicyLookup()
  for (const route of routes) policyLookup.addRoute(route)
  const documented = routes.find(({ openapi }) => openapi !== undefined)
  if (documented === undefined) throw new Error('no route has a document')
  const files = new Map<string, unknown>([['root', document]])
  const compiled = await compileDocument(
    { root: 'root', files },
    {
      mapping: { prefix: '/orders', replacement: '/orders' },
      policies: documented.policies,
      policySource: 'config',
      passesUndeclaredQuery: false,
      bodyLimitBytes: 1024,
    },
  )
  for (const operation of compiled.operations) policyLookup.addOperation(documented, operation)
  return policyLookup
}

t.test('a route without a document has its policy for the method', async (t) => {
  const policyLookup = await policyLookupOf()
  t.strictSame(policyLookup.of('/plain/1', 'GET')?.policies, ['authenticated'])
  t.strictSame(policyLookup.of('/plain/1', 'DELETE')?.policies, [{ roles: ['admin'] }])
  t.strictSame(policyLookup.of('/plain/open?x', 'DELETE')?.policies, ['public'])
  t.equal(policyLookup.of('/elsewhere', 'GET'), undefined)
  t.equal(policyLookup.of('/auth/login', 'GET'), undefined)
})

t.test('a route with a document has the policies of the operation, of all where templates overlap', async (t) => {
  const policyLookup = await policyLookupOf()
  t.strictSame(policyLookup.of('/orders/7?x=1', 'GET')?.policies, ['authenticated'])
  t.strictSame(policyLookup.of('/orders/7', 'DELETE')?.policies, ['authenticated', { roles: ['admin'] }])
  t.match(policyLookup.of('/orders/special', 'GET')?.policies?.flat(), ['authenticated'])
  t.match(JSON.stringify(policyLookup.of('/orders/special', 'GET')?.policies), /staff/)
})

t.test('what the document does not describe is covered and has none', async (t) => {
  const policyLookup = await policyLookupOf()
  t.match(policyLookup.of('/orders/7', 'PATCH'), { policies: undefined, route: { prefix: '/orders' } })
  t.match(policyLookup.of('/orders/7/8', 'GET'), { policies: undefined })
  t.match(policyLookup.of('/orders', 'GET'), { policies: undefined })
})
