// Routes of an upstream's document as a client and the service see them: what is checked, what is refused, what is sent.
import t from 'tap'
import { sendRaw } from '../../../support/raw-client.ts'
import { gatewayFor, upstreamFor } from '../gateway.ts'
import { alice, documentedGateway, documentOf, json, writeDocument } from './scene.ts'

const petstore = new URL('../../../fixtures/openapi/petstore.yaml', import.meta.url).pathname
const uspto = new URL('../../../fixtures/openapi/uspto.json', import.meta.url).pathname

const order = {
  type: 'object',
  required: ['id', 'item', 'made'],
  additionalProperties: false,
  properties: {
    id: { type: 'integer', readOnly: true },
    item: { type: 'string', maxLength: 5 },
    made: { type: ['string', 'null'], format: 'date' },
    parts: { type: 'array', items: { $ref: '#/components/schemas/Order' } },
  },
}
const orders = documentOf(
  {
    '/orders': {
      get: {
        parameters: [
          { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 100 } },
          { name: 'tag', in: 'query', schema: { type: 'array', items: { type: 'string' }, maxItems: 2 } },
          { name: 'X-Trace', in: 'header', schema: { type: 'string', pattern: '^[a-f0-9]+$' } },
          { name: 'theme', in: 'cookie', schema: { enum: ['dark', 'light'] } },
        ],
      },
      post: {
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } },
        },
      },
    },
    '/orders/{id}': { get: { parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }] } },
    '/files/{name}.{type}': { put: { requestBody: { content: { 'application/octet-stream': {} } } } },
  },
  { components: { schemas: { Order: order } } },
)

t.test('what fits is sent byte for byte as it came', async (t) => {
  const { upstream, ask } = await documentedGateway(t, orders)
  t.equal((await ask('GET', '/api/orders?tag=a%2Cb&limit=7&tag=%63', { headers: { 'x-trace': 'a0' } })).status, 200)
  t.equal((await ask('HEAD', '/api/orders/7')).status, 200, 'HEAD goes with GET')
  const body = '{ "item":"caf\\u00e9" ,"made":null, "parts":[{"item":"b","made":"2026-11-23"}] }\n'
  t.equal((await ask('POST', '/api/orders', json(body, 'application/json; charset=UTF-8'))).status, 200)
  t.equal((await ask('PUT', '/api/files/a.png', json('not { json', 'application/octet-stream'))).status, 200)
  t.match(upstream.received, [
    {
      method: 'GET',
      url: '/orders?tag=a%2Cb&limit=7&tag=%63',
      headers: { 'x-trace': 'a0', 'x-auth-subject': 'alice' },
    },
    { method: 'HEAD', url: '/orders/7' },
    { method: 'POST', url: '/orders', body, headers: { 'content-type': 'application/json; charset=UTF-8' } },
    { method: 'PUT', url: '/files/a.png', body: 'not { json' },
  ])
})

t.test('what does not fit is 400 with its places, and nothing of it reaches the service', async (t) => {
  const { upstream, ask } = await documentedGateway(t, orders)
  const refused: [string, string, RequestInit | undefined, string[]][] = [
    ['GET', '/api/orders?limit=0', undefined, ['query /limit']],
    ['GET', '/api/orders?limit=x&tag=1&tag=2&tag=3', undefined, ['query /limit', 'query /tag']],
    ['GET', '/api/orders', { headers: { 'x-trace': 'XYZ' } }, ['header /X-Trace']],
    ['GET', '/api/orders', { headers: { cookie: 'theme=red' } }, ['cookie /theme']],
    ['GET', '/api/orders/seven', undefined, ['path /id']],
    ['POST', '/api/orders', json({ item: 'toolong', made: null }), ['body /item']],
    ['POST', '/api/orders', json({ item: 'a' }), ['body /made']],
    ['POST', '/api/orders', json({ item: 'a', made: null, more: 1 }), ['body /more']],
    ['POST', '/api/orders', json({ item: 'a', made: null, parts: [{ item: 1, made: null }] }), ['body /parts/0/item']],
    ['POST', '/api/orders', json({ item: 'a', made: 'yesterday' }), ['body /made']],
    ['POST', '/api/orders', undefined, ['body /']],
    ['POST', '/api/orders', json('{"item":'), ['body /']],
  ]
  for (const [method, path, init, places] of refused) {
    t.strictSame(await ask(method, path, init), { status: 400, places }, `${method} ${path} ${init?.body ?? ''}`)
  }
  t.strictSame(upstream.received, [])
})

t.test(
  'what the document does not declare is 404 or 405, also under a shorter prefix that forwards everything',
  async (t) => {
    const open = { prefix: '/', upstream: 'http://127.0.0.1:9', policy: 'public' } as const
    const { upstream, url, ask } = await documentedGateway(t, orders, {}, [open])
    for (const path of ['/api', '/api/', '/api/other', '/api/orders/', '/api/orders/1/2', '/api/files/png']) {
      t.equal((await ask('GET', path)).status, 404, path)
    }
    t.equal((await ask('DELETE', '/api/orders')).status, 405)
    t.equal((await ask('OPTIONS', '/api/orders/7')).status, 405)
    const response = await fetch(`${url}/api/orders`, { method: 'DELETE', headers: alice })
    t.equal(response.headers.get('allow'), 'GET, HEAD, POST')
    t.equal((await fetch(`${url}/api/other`)).status, 401, 'a stranger hears no more than that')
    t.equal((await fetch(`${url}/api/orders?limit=0`)).status, 401, 'nor what would be right')
    t.strictSame(upstream.received, [])
  },
)

t.test('a route whose document is not there answers 503 and forwards nothing', async (t) => {
  const upstream = await upstreamFor(t)
  const { url } = await gatewayFor(t, [{ prefix: '/api', upstream: upstream.url, openapi: 'http://127.0.0.1:9/' }])
  const response = await fetch(`${url}/api/orders`, { headers: alice })
  t.equal(response.status, 503)
  t.ok(response.headers.get('retry-after'))
  t.match(await response.json(), { code: 'upstream_unavailable' })
  t.strictSame(upstream.received, [])
})

t.test('two real documents: Swagger Petstore and USPTO', async (t) => {
  const { upstream, ask, document } = await documentedGateway(t, petstore, { rewrite: '/v2' })
  t.equal(document.operations.filter(({ isImplied }) => !isImplied).length, 20)
  const pet = { name: 'Tom', photoUrls: [] }
  t.equal((await ask('POST', '/api/pet', json(pet))).status, 200)
  t.equal(upstream.received[0]?.url, '/v2/pet')
  t.strictSame(await ask('POST', '/api/pet', json({ name: 'Tom' })), { status: 400, places: ['body /photoUrls'] })
  t.strictSame((await ask('GET', '/api/pet/findByStatus?status=sold&status=gone')).places, ['query /status/1'])
  t.equal((await ask('GET', '/api/pet/findByStatus?status=sold&status=pending')).status, 200)
  t.strictSame((await ask('GET', '/api/pet/tom')).places, ['path /petId'])
  t.strictSame((await ask('GET', '/api/store/order/11')).places, ['path /orderId'])

  const patents = await documentedGateway(t, uspto, { rewrite: '/ds-api' })
  t.equal((await patents.ask('GET', '/api/oa_citations/v1/fields')).status, 200)
  t.equal(patents.upstream.received[0]?.url, '/ds-api/oa_citations/v1/fields')
  t.equal((await patents.ask('POST', '/api/oa_citations/v1/records', json({}))).status, 415)
})

t.test('a document adds to the policy of the config, and takes its place only where the config says so', async (t) => {
  const one = (extension?: unknown, security?: object[]) => ({
    get: { ...(extension !== undefined && { 'x-cardea-policy': extension }), ...(security && { security }) },
  })
  const schemes = { key: { type: 'apiKey', in: 'header', name: 'k' }, login: { type: 'oauth2', flows: {} } }
  const document = documentOf(
    {
      '/plain': one(),
      '/open': one('public'),
      '/none': one(undefined, []),
      '/closed': one({ roles: ['nobody has'] }),
      '/secured': one(undefined, [{ key: [] }]),
    },
    { components: { securitySchemes: schemes } },
  )
  const statuses = async (route: Parameters<typeof documentedGateway>[2]) => {
    const { url, document: compiled } = await documentedGateway(t, document, route)
    t.equal(compiled.warnings.length, 0)
    const paths = ['plain', 'open', 'none', 'closed', 'secured']
    return Promise.all(paths.map(async (path) => (await fetch(`${url}/api/${path}`)).status))
  }
  const file = writeDocument(t, document)
  t.strictSame(await statuses({}), [401, 401, 401, 401, 401], 'nothing is opened')
  t.strictSame(await statuses({ policy: 'public' }), [200, 200, 200, 401, 200], 'its own extension closes')
  const both = { document: file, policies: 'both' } as const
  t.strictSame(await statuses({ policy: 'public', openapi: both }), [200, 200, 200, 401, 401], 'its security too')
  t.strictSame(await statuses({ openapi: both }), [401, 401, 401, 401, 401])
  const trusted = { document: file, policies: 'document' } as const
  t.strictSame(await statuses({ openapi: trusted }), [401, 200, 200, 401, 401], 'the config trusts it')
})

t.test('a body that is too large, late in a chunk or declared, is 413 and not sent', async (t) => {
  const file = writeDocument(t, orders)
  const { port, upstream } = await documentedGateway(t, orders, { openapi: { document: file, bodyLimitBytes: 100 } })
  const head =
    'POST /api/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\n'
  const large = `{"item":"${'a'.repeat(200)}","made":null}`
  const declared = await sendRaw(port, `${head}Content-Length: ${large.length}\r\n\r\n${large}`, {
    until: (text) => text.includes('}'),
  })
  t.match(declared.text, /^HTTP\/1.1 413 /)
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`
  t.match((await sendRaw(port, chunked, { until: (text) => text.includes('}') })).text, /^HTTP\/1.1 413 /)
  const small = '{"item":"a","made":null}'
  const fits = `${head}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n${small}\r\n0\r\n\r\n`
  const response = await sendRaw(port, fits, { until: (text) => /HTTP\/1.1 200/.test(text) })
  t.match(response.text, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /)
  t.strictSame(
    upstream.received.map(({ body }) => body),
    [small],
  )
})
