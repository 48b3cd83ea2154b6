// Parameters that are not written the ordinary way: with a media type, as an object without a name, as a field that the gateway
// takes out. What fits is let in, and what does not fit, or would not arrive, is refused.
import t from 'tap'
import { documentedGateway, documentOf } from '../scene.ts'

const query = (name: string, more: object) => ({ name, in: 'query', ...more })
const field = (name: string, required: boolean) => ({ name, in: 'header', required, schema: { enum: ['one'] } })
const role = { type: 'object', properties: { role: { enum: ['user'] } } }
const labels = { type: 'object', additionalProperties: { enum: ['a', 'b'] } }

const document = documentOf(
  {
    '/written': {
      get: {
        parameters: [
          query('filter', { content: { 'application/json': { schema: role } } }),
          query('note', { content: { 'text/plain': { schema: { type: 'string', maxLength: 5 } } } }),
        ],
      },
    },
    '/packed': { get: { parameters: [query('x', { content: { 'application/xml': { schema: {} } } })] } },
    '/labelled': {
      get: {
        parameters: [
          query('limit', { schema: { type: 'integer' } }),
          query('near', { style: 'deepObject', schema: { type: 'object', properties: { x: { type: 'integer' } } } }),
          query('labels', { schema: labels }),
        ],
      },
    },
    '/both': { get: { parameters: [query('it', { schema: { ...labels, properties: { n: { type: 'integer' } } } })] } },
    '/fields': {
      get: {
        parameters: [
          field('X-Tenant', true),
          field('X-Request-Id', true),
          field('Host', true),
          field('api_key', false),
        ],
      },
    },
    '/taken': { get: { parameters: [field('api_key', true)] } },
  },
  { components: { securitySchemes: { key: { type: 'apiKey', in: 'query', name: 'key' } } } },
)

const escaped = (value: string) => encodeURIComponent(value)

t.test('a parameter with a media type is known by its name and read by its type', async (t) => {
  const { ask } = await documentedGateway(t, document)
  for (const [written, expected] of [
    [`filter=${escaped('{"role":"user"}')}`, { status: 200, places: [] }],
    ['note=hello', { status: 200, places: [] }],
    ['note=%22too%20long%22', { status: 400, places: ['query /note'] }],
    [`filter=${escaped('{"role":"admin"}')}`, { status: 400, places: ['query /filter/role'] }],
    [`filter=${escaped('{"role":"admin","role":"user"}')}`, { status: 400, places: ['query /filter'] }],
    ['role=user', { status: 400, places: ['query /role'] }],
  ] as const) {
    t.strictSame(await ask('GET', `/api/written?${written}`), expected, written)
  }
})

t.test('an object without a name takes in what no other parameter is called', async (t) => {
  const { ask } = await documentedGateway(t, document)
  for (const [written, expected] of [
    ['limit=10&near[x]=1&key=secret&colour=a', { status: 200, places: [] }],
    ['limit=10&colour=c', { status: 400, places: ['query /labels/colour'] }],
    ['limit=x&colour=a', { status: 400, places: ['query /limit'] }],
  ] as const) {
    t.strictSame(await ask('GET', `/api/labelled?${written}`), expected, written)
  }
  t.strictSame(await ask('GET', '/api/both?n=1&colour=a'), { status: 200, places: [] })
  t.strictSame(await ask('GET', '/api/both?n=x'), { status: 400, places: ['query /it/n'] })
  t.strictSame(await ask('GET', '/api/both?n=1&colour=c'), { status: 400, places: ['query /it/colour'] })
})

t.test('what cannot be checked, or could never arrive, leaves its operation out', async (t) => {
  const { ask, document: compiled } = await documentedGateway(t, document)
  t.equal((await ask('GET', '/api/packed')).status, 404)
  t.equal((await ask('GET', '/api/taken', { headers: { api_key: 'one' } })).status, 404)
  t.match(compiled.warnings.join('\n'), /GET \/packed .*application\/xml, which is not checked/)
  t.match(compiled.warnings.join('\n'), /GET \/taken .*api_key that it requires does not pass/)
})

t.test('a field that the gateway writes is never missing, and one that it takes out never wrong', async (t) => {
  const { ask } = await documentedGateway(t, document)
  const headers = { 'x-tenant': 'one', api_key: 'two' }
  t.strictSame(await ask('GET', '/api/fields', { headers }), { status: 200, places: [] })
  t.strictSame(await ask('GET', '/api/fields'), { status: 400, places: ['header /X-Tenant'] })
})
