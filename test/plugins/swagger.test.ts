// The OpenAPI document of the gateway, and Swagger UI: valid, whole, and served only where they are turned on.
import { Validator } from '@seriousme/openapi-schema-validator'
import t, { type Test } from 'tap'
import type { RouteConfig } from '../../plugins/forward/index.ts'
import { DocumentSource } from '../../src/reload/openapi-documents.ts'
import { apiInfo, apiTags } from '../../src/routes/wire/api-document.ts'
import { startGateway } from '../support/gateway.ts'
import { installOwnPackages } from '../support/processes/own-packages.ts'
import { documentOf, writeDocument } from './forward/openapi/scene.ts'

/** What of the document is looked at here. */
interface ApiDocument {
  openapi: string
  info: object
  tags: object[]
  paths: Record<string, Record<string, Operation>>
}

interface Operation {
  operationId?: string
  summary?: string
  tags?: string[]
  security?: object[]
}

/** The document that a gateway with these routes serves, and what a validator says against it. */
async function documentFor(t: Test, routes: RouteConfig[]) {
  const { compiled } = await new DocumentSource().load(routes)
  const { app } = await startGateway(t, { config: { docs: true, routes }, documents: compiled })
  const { body } = await app.inject('/docs/json')
  const { errors } = await new Validator().validate(JSON.parse(body))
  const document: ApiDocument & { components: Record<string, Record<string, object>> } = JSON.parse(body)
  return { body, document, errors: JSON.stringify(errors ?? []) }
}

t.test('the document is valid OpenAPI 3.1, and describes every operation once and in a known group', async (t) => {
  const { app } = await startGateway(t, { config: { docs: true } })
  const { body } = await app.inject('/docs/json')
  const parsed: Record<string, unknown> = JSON.parse(body)
  const { valid, errors } = await new Validator().validate(parsed)
  const document: ApiDocument = JSON.parse(body)
  t.ok(valid, JSON.stringify(errors))
  t.match(document, { openapi: /^3\.1\./, info: apiInfo, tags: apiTags })
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  const ids = operations.map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, operations.length, 'every operation has an id of its own')
  const known = new Set(apiTags.map(({ name }) => name))
  for (const { operationId, summary, tags } of operations) {
    t.ok(summary, `${operationId} says what it does`)
    t.ok(tags?.length === 1 && known.has(tags[0] ?? ''), `${operationId} is in a group: ${tags}`)
  }
})

t.test('Redocly’s recommended rules find nothing', async (t) => {
  const folder = new URL('../support/redocly/', import.meta.url)
  await installOwnPackages(folder)
  const { findingsIn } = await import('../support/redocly/lint.js')
  const plain = await startGateway(t, { config: { docs: true } })
  const withCookie = await startGateway(t, {
    config: {
      docs: true,
      issuer: 'https://gateway.test/gw',
      routes: [{ prefix: '/x', upstream: 'http://127.0.0.1:9', policy: 'authenticated', accessCookie: true }],
    },
  })
  for (const { app } of [plain, withCookie]) t.same(await findingsIn((await app.inject('/docs/json')).body), [])
  t.match(await findingsIn('{"openapi":"3.1.0","info":{"title":"a","version":"1"},"paths":{}}'), [
    /^no-empty-servers at/,
  ])
})

t.test('behind a prefix that a proxy takes off, the document says so and the page is relative', async (t) => {
  const { app } = await startGateway(t, { config: { docs: true, issuer: 'https://gateway.test/gw' } })
  t.match((await app.inject('/docs/json')).json(), { servers: [{ url: '/gw' }] })
  const places = { '/docs': 'docs/', '/docs?a=1': 'docs/', '/docs/?a=1': './', '/docs/static/index.html': '../' }
  for (const [url, place] of Object.entries(places)) {
    const { statusCode, headers } = await app.inject(url)
    t.match({ statusCode, location: headers.location }, { statusCode: 308, location: place }, url)
  }
  const { body } = await app.inject('/docs/')
  t.match(body, 'src="./static/swagger-ui-bundle.js"')
  t.notMatch(body, /(?:src|href)="\//, 'no path from the root')
})

t.test('documents of services are merged: their names do not collide, and the whole is valid', async (t) => {
  const petstore = new URL('../fixtures/openapi/petstore.yaml', import.meta.url).pathname
  const uspto = new URL('../fixtures/openapi/uspto.json', import.meta.url).pathname
  const route = { upstream: 'http://127.0.0.1:9', rewrite: '/v2', openapi: petstore }
  const routes: RouteConfig[] = [
    { ...route, prefix: '/pets/a' },
    { ...route, prefix: '/pets.a', policy: { scopes: ['pets:read'] } },
    { ...route, prefix: '/patents', openapi: uspto, rewrite: '/ds-api', policy: 'public' },
  ]
  const { body, document, errors } = await documentFor(t, routes)
  t.equal(errors, '[]')
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  const tags = new Set(document.tags.map((tag) => JSON.stringify(Object.entries(tag)[0])))
  for (const { tags: [tag] = [] } of operations) t.ok(tags.has(JSON.stringify(['name', tag])), `${tag}`)
  const pets = Object.keys(document.components['schemas'] ?? {}).filter((name) => name.endsWith('.Pet'))
  t.strictSame(pets, ['pets_2Fa.Pet', 'pets.a.Pet'])
  t.match(document.paths['/pets/a/pet/{petId}']?.['get'], {
    operationId: 'pets_2Fa.getPetById',
    security: [{ bearer: [] }],
    responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/pets_2Fa.Pet' } } } } },
  })
  t.strictSame(document.paths['/pets.a/pet/{petId}']?.['get']?.security, [{ bearer: ['pets:read'] }])
  t.strictSame(document.paths['/patents/{dataset}/{version}/fields']?.['get']?.security, [])
  t.notOk(body.includes('petstore.swagger.io/v2'), 'where the service lives is not the client’s business')
})

t.test(
  'a route that takes the cookie says so of its operations, with the scopes it demands, and others do not',
  async (t) => {
    const petstore = new URL('../fixtures/openapi/petstore.yaml', import.meta.url).pathname
    const route = { upstream: 'http://127.0.0.1:9', rewrite: '/v2', openapi: petstore }
    const byCookie = { ...route, accessCookie: true }
    const { document, errors } = await documentFor(t, [
      { ...byCookie, prefix: '/pets', policy: { scopes: ['pets:read'] } },
      { ...byCookie, prefix: '/staff', policy: { roles: ['admin'] } },
      { ...byCookie, prefix: '/open', policy: 'public' },
      { ...route, prefix: '/plain' },
    ])
    t.equal(errors, '[]')
    t.match(document.components['securitySchemes'], {
      accessCookie: { type: 'apiKey', in: 'cookie', name: '__Host-cardea_access' },
    })
    const securityOf = (prefix: string) => document.paths[`${prefix}/pet/{petId}`]?.['get']?.security
    t.strictSame(securityOf('/pets'), [{ bearer: ['pets:read'] }, { accessCookie: ['pets:read'] }])
    t.strictSame(securityOf('/staff'), [{ bearer: [] }, { accessCookie: [] }])
    t.strictSame(securityOf('/open'), [])
    t.strictSame(securityOf('/plain'), [{ bearer: [] }])
    t.strictSame(document.paths['/auth/verify']?.['get']?.security, [{ bearer: [] }, { accessCookie: [] }, {}])
    t.strictSame(document.paths['/auth/sessions']?.['get']?.security, [{ bearer: [] }])
    const without = await documentFor(t, [{ ...route, prefix: '/plain' }])
    t.strictSame(Object.keys(without.document.components['securitySchemes'] ?? {}), ['bearer', 'refreshCookie'])
    t.notMatch(without.body, 'accessCookie')
  },
)

t.test('what a discriminator maps to are schemas of the merged document', async (t) => {
  const kind = { type: 'object', properties: { kind: { type: 'string' } } }
  const mapping = { cat: '#/components/schemas/Cat', dog: 'Dog', bird: '#/components/schemas/Gone' }
  const schema = { oneOf: [{ $ref: '#/components/schemas/Cat' }], discriminator: { propertyName: 'kind', mapping } }
  const paths = { '/pets': { post: { requestBody: { content: { 'application/json': { schema } } } } } }
  const openapi = writeDocument(t, documentOf(paths, { components: { schemas: { Cat: kind, Dog: kind } } }))
  const { body, document, errors } = await documentFor(t, [
    { prefix: '/zoo', upstream: 'http://127.0.0.1:9', rewrite: '/', openapi },
  ])
  t.equal(errors, '[]')
  t.match(body, '"mapping":{"cat":"#/components/schemas/zoo.Cat","dog":"#/components/schemas/zoo.Dog"}')
  t.match(document.components['schemas'], { 'zoo.Cat': kind, 'zoo.Dog': kind })
})

t.test('Swagger UI is served where it is turned on, and nowhere else', async (t) => {
  const withDocs = await startGateway(t, { config: { docs: true } })
  const page = await withDocs.app.inject('/docs/')
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-security-policy'], /default-src 'none'/)
  t.match(page.body, /<title>Cardea<\/title>/)
  const without = await startGateway(t)
  for (const path of ['/docs', '/docs/json']) t.equal((await without.app.inject(path)).statusCode, 404, path)
})
