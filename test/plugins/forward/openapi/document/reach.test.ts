// What of a document is taken for what: where a reference is one, where operations lie, which versions are read, and that whoever
// runs the gateway hears why an operation is not served.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { documentLimits, readDocument } from '../../../../../plugins/forward/openapi/index.ts'
import { DocumentSource } from '../../../../../src/reload/openapi-documents.ts'
import { temporaryFolder } from '../../../../support/temporary-folder.ts'
import { documentedGateway, documentOf, json, writeDocument } from '../scene.ts'

function written(t: Test, files: Record<string, string | object>): string {
  const folder = temporaryFolder(t)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return join(folder, 'main.json')
}

const elsewhere = { $ref: '../docs/start.md' }
const bodyOf = (schema: object) => ({ requestBody: { content: { 'application/json': { schema } } } })

t.test('$ref in extensions, examples, defaults, enumerations and constants names no file', async (t) => {
  const { ask } = await documentedGateway(
    t,
    documentOf(
      {
        'x-start': elsewhere,
        '/a': {
          'x-topics': [elsewhere],
          post: {
            ...bodyOf({
              type: 'object',
              properties: { a: { enum: [elsewhere] }, b: { const: elsewhere }, c: { default: elsewhere } },
              example: elsewhere,
              examples: [elsewhere],
              'x-more': elsewhere,
            }),
            responses: { 200: { description: '', content: { 'application/json': { example: { deep: elsewhere } } } } },
          },
        },
      },
      { 'x-topics': [{ content: { $ref: '../docs/start.md' } }] },
    ),
  )
  t.equal((await ask('POST', '/api/a', json({ a: elsewhere, b: elsewhere }))).status, 200)
  t.strictSame(await ask('POST', '/api/a', json({ a: { $ref: 'other' } })), { status: 400, places: ['body /a'] })
})

t.test(
  'a reference is followed from file to file, into every kind of place, and in the place of an operation',
  async (t) => {
    const main = written(t, {
      'main.json': documentOf({ '/a/{id}': { $ref: 'paths/a.json' }, '/b': { get: { $ref: 'paths/b.json' } } }),
      'paths/a.json': {
        parameters: [{ $ref: '../parts.json#/id' }],
        post: { requestBody: { $ref: '../parts.json#/body' } },
      },
      'paths/b.json': { parameters: [{ $ref: '../parts.json#/limit' }] },
      'parts.json': {
        id: { name: 'id', in: 'path', schema: { $ref: 'schemas.json#/Id' } },
        limit: { name: 'limit', in: 'query', schema: { $ref: 'schemas.json#/Id' } },
        body: { content: { 'application/json': { schema: { $ref: 'schemas.json#/Body' } } } },
      },
      'schemas.json': { Id: { type: 'integer' }, Body: { properties: { id: { $ref: '#/Id' } } } },
    })
    const { ask } = await documentedGateway(t, main)
    t.equal((await ask('POST', '/api/a/1', json({ id: 1 }))).status, 200)
    t.strictSame((await ask('POST', '/api/a/x', json({ id: 1 }))).places, ['path /id'])
    t.strictSame((await ask('POST', '/api/a/1', json({ id: 'x' }))).places, ['body /id'])
    t.strictSame((await ask('GET', '/api/b?limit=x')).places, ['query /limit'])
    t.equal((await ask('GET', '/api/b?limit=1')).status, 200)
  },
)

t.test('how many files a document may have is a setting', async (t) => {
  const paths = Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`/p${i}`, { $ref: `p${i}.json` }]))
  const parts = Object.fromEntries(Object.keys(paths).map((path) => [`${path.slice(1)}.json`, { get: {} }]))
  const document = written(t, { 'main.json': documentOf(paths), ...parts })
  await t.rejects(readDocument(document, { ...documentLimits, files: 4 }), /more than 4 files/)
  const load = (maxFiles: number) =>
    new DocumentSource().load([
      { prefix: '/x', rewrite: '/', upstream: 'http://127.0.0.1:9', openapi: { document, maxFiles } },
    ])
  await t.rejects(load(4), /more than 4 files/)
  t.equal((await load(5)).compiled.size, 1)
})

t.test('a base of the route takes the place of every server of the document', async (t) => {
  const document = documentOf(
    { '/a': { get: {} }, '/b': { servers: [{ url: '/v3' }], get: {} } },
    { servers: [{ url: 'https://api.example.com/v2' }] },
  )
  const file = writeDocument(t, document)
  await t.rejects(documentedGateway(t, document, { rewrite: '/v1' }), /the route reaches \/v1 at the service/)
  for (const [base, rewrite] of [
    ['/', '/'],
    ['/v1', '/v1'],
    ['/v1/', '/v1'],
  ] as const) {
    const { ask, upstream } = await documentedGateway(t, document, { rewrite, openapi: { document: file, base } })
    t.equal((await ask('GET', '/api/a')).status, 200, base)
    t.equal((await ask('GET', '/api/b')).status, 200, base)
    t.equal(upstream.received[0]?.url, rewrite === '/' ? '/a' : '/v1/a')
  }
})

t.test('every operation that is left out is said with its reason, however many there are', async (t) => {
  const matrix = { parameters: [{ name: 'id', in: 'path', style: 'matrix', schema: {} }] }
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`/m${i}/{id}`, { get: matrix }]))
  const odd = Array.from({ length: 60 }, (_, i) => [`f${i}`, { type: 'string', format: `odd-${i}` }])
  const document = documentOf({
    '/first': { post: bodyOf({ properties: Object.fromEntries(odd) }) },
    ...many,
    '/nowhere': { post: bodyOf({ $ref: '#/a%zz' }) },
    '/lost': { get: { $ref: '#/none' } },
    '/*': { get: {} },
    'no-slash': { get: {} },
    '/far': { servers: [{ url: '/far' }], get: { operationId: 'far' } },
  })
  const { document: compiled } = await documentedGateway(t, document, {
    openapi: { document: writeDocument(t, document) },
  })
  const said = compiled.warnings.join('\n')
  for (let i = 0; i < 80; i += 1) t.ok(said.includes(`GET /m${i}/{id}`), `/m${i}`)
  t.match(said, /are left out: the style matrix is not supported/)
  t.match(said, /POST \/nowhere is left out: #\/a%zz in .* leads nowhere/)
  t.match(said, /GET \/lost is left out: #\/none in .* leads nowhere/)
  t.match(said, /GET \/\* is left out: the router cannot match/)
  t.match(said, /GET no-slash is left out: its path does not begin with \//)
  const narrow = documentOf({ '/in/a': { get: {} }, '/out': { get: { operationId: 'far' } } })
  const partly = await documentedGateway(t, narrow, { rewrite: '/in' })
  t.match(partly.document.warnings, ['GET /out (far) is left out: the route reaches /in at the service'])
  await t.rejects(documentedGateway(t, documentOf(many)), /No operation .* left out: the style matrix/)
})

t.test('versions without quotation marks are read, and 3.0 stays 3.0', async (t) => {
  const paths =
    'paths: { /a: { get: { parameters: [{ name: n, in: query, schema: { type: integer, minimum: 1, exclusiveMinimum: true } }] } } }'
  for (const [version, status] of [
    ['3.1', 200],
    ['3.2', 200],
    ['3.0', 400],
    ['"3.0"', 400],
    ['3.0.4', 400],
    ['3.2.0', 200],
  ] as const) {
    const file = written(t, { 'main.json': `openapi: ${version}\ninfo: { title: t }\n${paths}\n` })
    // In 3.0 the limit itself is not in; from 3.1 on the switch means nothing.
    t.equal((await (await documentedGateway(t, file)).ask('GET', '/api/a?n=1')).status, status, version)
  }
  for (const version of ['3.3', '31', '2', '"3.10.0"', '30']) {
    const file = written(t, { 'main.json': `openapi: ${version}\n${paths}\n` })
    await t.rejects(documentedGateway(t, file), /version 3.0, 3.1 or 3.2/, version)
  }
})

t.test('operations of OpenAPI 3.2: QUERY and other methods are served where the route names them', async (t) => {
  const document = documentOf(
    {
      '/a': {
        query: bodyOf({ type: 'object' }),
        additionalOperations: { PURGE: {}, COPY: {} },
        get: { parameters: [{ name: 'all', in: 'querystring', content: { 'application/json': {} } }] },
        post: { requestBody: { content: { 'application/json': { $ref: '#/components/mediaTypes/Thing' } } } },
      },
    },
    {
      openapi: '3.2.0',
      components: { mediaTypes: { Thing: { schema: { required: ['name'] } } } },
    },
  )
  const scene = await documentedGateway(t, document, { methods: { QUERY: 'authenticated', PURGE: 'public' } })
  const methods = scene.document.operations.map(({ operation }) => operation.parts.method)
  t.strictSame(methods.sort(), ['POST', 'PURGE', 'QUERY'])
  t.match(scene.document.warnings.join('\n'), /COPY \/a is left out: `methods` of the route does not name COPY/)
  t.match(scene.document.warnings.join('\n'), /GET \/a is left out: its query is one value/)
  t.equal((await scene.ask('QUERY', '/api/a', json({}))).status, 200)
  t.equal((await scene.ask('QUERY', '/api/a', json([]))).status, 400)
  t.equal((await scene.ask('POST', '/api/a', json({ name: 'a' }))).status, 200)
  t.equal((await scene.ask('POST', '/api/a', json({}))).status, 400, 'a media type that is referred to is checked')
})
