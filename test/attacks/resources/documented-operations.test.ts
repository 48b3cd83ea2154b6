// Requests that try to reach a service as something else than what was checked: repeated and disguised parameters, names that
// every object has, content types and encodings that two readers read differently, bodies that mean two things.
import t from 'tap'
import { documentedGateway, documentOf, json } from '../../plugins/forward/openapi/scene.ts'
import { sendRaw } from '../../support/raw-client.ts'

const parameter = (name: string, where: string, schema: object, more: object = {}) => ({
  name,
  in: where,
  schema,
  ...(where === 'path' && { required: true }),
  ...more,
})

const document = documentOf(
  {
    '/things': {
      get: {
        parameters: [
          parameter('limit', 'query', { type: 'integer', maximum: 100 }),
          parameter('on', 'query', { type: 'boolean' }),
          parameter('constructor', 'query', { type: 'integer' }),
          parameter(
            'filter',
            'query',
            { type: 'object', properties: { min: { type: 'integer' } } },
            { style: 'deepObject' },
          ),
          parameter('slow', 'query', { type: 'string', pattern: '^(a+)+$' }),
        ],
      },
      post: {
        requestBody: {
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['toString'],
                properties: {
                  toString: { type: 'string' },
                  valueOf: { type: 'string' },
                  n: { type: 'number' },
                  deep: { $ref: '#/components/schemas/Deep' },
                },
                additionalProperties: false,
              },
            },
          },
        },
      },
    },
    '/things/{id}': { get: { parameters: [parameter('id', 'path', { type: 'string', maxLength: 3 })] } },
    '/things/mine': { get: {} },
  },
  {
    components: { schemas: { Deep: { type: 'object', properties: { deep: { $ref: '#/components/schemas/Deep' } } } } },
  },
)

t.test('parameters that are there twice, disguised, malformed or not declared', async (t) => {
  const { upstream, ask } = await documentedGateway(t, document)
  const refused: [string, string][] = [
    ['limit=1&limit=1000', 'query /limit'],
    ['limit=1&%6Cimit=1000', 'query /limit'],
    ['limit[]=1000', 'query /limit[]'],
    ['Limit=1000', 'query /Limit'],
    ['limit=%31%30%30%30', 'query /limit'],
    ['limit=1e400', 'query /limit'],
    ['limit=0x10', 'query /limit'],
    ['limit=+7', 'query /limit'],
    ['limit=07', 'query /limit'],
    ['limit=7%20', 'query /limit'],
    ['limit=', 'query /limit'],
    ['limit', 'query /limit'],
    ['limit=%FF', 'query /'],
    ['%=1', 'query /'],
    ['on=1', 'query /on'],
    ['on=TRUE', 'query /on'],
    ['constructor=x', 'query /constructor'],
    ['__proto__=1', 'query /__proto__'],
    ['toString=1', 'query /toString'],
    ['filter[min]=x', 'query /filter/min'],
    ['filter[min]=1&filter[min]=2', 'query /filter'],
    ['filter[min][__proto__]=1', 'query /filter/min'],
    ['filter[min=1', 'query /filter'],
    ['filter=1', 'query /filter'],
    ['a~b/c=1', 'query /a~0b~1c'],
  ]
  for (const [query, place] of refused) {
    t.strictSame(await ask('GET', `/api/things?${query}`), { status: 400, places: [place] }, query)
  }
  t.strictSame(upstream.received, [])
  for (const query of [
    'limit=-0',
    'limit=1.0e1',
    'limit=%37',
    'constructor=1',
    'filter[min]=1',
    'filter%5Bmin%5D=1',
    '',
  ]) {
    t.equal((await ask('GET', `/api/things?${query}`)).status, 200, query)
  }
})

t.test('a pattern that takes exponential time does not keep the gateway', async (t) => {
  const { ask } = await documentedGateway(t, document)
  const startedMs = performance.now()
  t.equal((await ask('GET', `/api/things?slow=${'a'.repeat(4000)}!`)).status, 400)
  t.ok(performance.now() - startedMs < 3000)
})

t.test('content types and encodings that two readers could read differently are 415', async (t) => {
  const { port, upstream, ask } = await documentedGateway(t, document)
  const body = '{"toString":"a"}'
  const post = (fields: string) => {
    const head = `POST /api/things HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer alice\r\n${fields}`
    return sendRaw(port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`)
  }
  for (const type of [
    'text/plain',
    'application/json; x',
    'application/json, text/plain',
    'application/json text/plain',
    'application/json ; charset=utf-16',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json; charset="utf-16"',
    'multipart/form-data; boundary=application/json',
    'application/jsonx',
    'application',
    '',
  ]) {
    t.match((await post(`Content-Type: ${type}\r\n`)).text, /^HTTP\/1.1 415 /, type)
  }
  t.match((await post('')).text, /^HTTP\/1.1 415 /, 'none')
  t.match((await post('Content-Type: application/json\r\nContent-Type: text/plain\r\n')).text, /^HTTP\/1.1 415 /, 'two')
  for (const coding of ['gzip', 'identity, gzip', 'x']) {
    const fields = `Content-Type: application/json\r\nContent-Encoding: ${coding}\r\n`
    t.match((await post(fields)).text, /^HTTP\/1.1 415 /, coding)
  }
  t.strictSame(upstream.received, [])
  for (const type of [
    'application/json',
    'Application/JSON',
    'application/json\t;\tcharset=UTF-8',
    'application/json;',
    'application/json; a="b"',
  ]) {
    t.match((await post(`Content-Type: ${type}\r\n`)).text, /^HTTP\/1.1 200 /, type)
  }
  t.equal((await ask('POST', '/api/things')).status, 200, 'it need not be there')
})

t.test('bodies that mean two things, or too much, are 400', async (t) => {
  const { upstream, ask } = await documentedGateway(t, document)
  const deep = `${'{"deep":'.repeat(3000)}1${'}'.repeat(3000)}`
  for (const body of [
    '{"toString":"a","toString":"b"}',
    '{"toString":"a","toStr\\u0069ng":1}',
    '{"n":1}',
    '{"toString":"a","__proto__":{}}',
    '{"toString":"a","constructor":1}',
    '{"toString":"a","n":1e400}',
    '{"toString":"a","n":NaN}',
    '{"toString":"a",}',
    '\ufeff{"toString":"a"}',
    '{"toString":"a"} {}',
    `{"toString":"a","deep":${deep}}`,
    '[]',
    'null',
    ' ',
  ]) {
    t.equal((await ask('POST', '/api/things', json(body))).status, 400, body.slice(0, 60))
  }
  const latin = Buffer.from('{"toString":"\xe9"}', 'latin1')
  t.equal((await ask('POST', '/api/things', { ...json(''), body: latin })).status, 400, 'not UTF-8')
  t.equal((await ask('DELETE', '/api/things', json('{}'))).status, 405)
  t.strictSame(upstream.received, [])
})

t.test('a body where none is declared is refused, however it is announced', async (t) => {
  const { port, upstream } = await documentedGateway(t, document)
  const head = 'GET /api/things HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer alice\r\n'
  t.match((await sendRaw(port, `${head}Content-Length: 2\r\n\r\n{}`)).text, /^HTTP\/1.1 400 /)
  t.match((await sendRaw(port, `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).text, /^HTTP\/1.1 400 /)
  t.match((await sendRaw(port, `${head}Content-Length: 0\r\n\r\n`)).text, /^HTTP\/1.1 200 /)
  t.equal(upstream.received.length, 1)
})

t.test('templates that overlap: what is spelled out wins, and what is sent is what was matched', async (t) => {
  const { upstream, port, ask } = await documentedGateway(t, document)
  t.equal((await ask('GET', '/api/things/mine')).status, 200, 'longer than an id may be')
  t.strictSame((await ask('GET', '/api/things/manx%C3%A9')).places, ['path /id'])
  for (const path of ['a%2Fb', '../other', '%2E%2E/other', 'mine;x', '.']) {
    const head = `GET /api/things/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer alice\r\n\r\n`
    t.match((await sendRaw(port, head)).text, /^HTTP\/1.1 400 /, path)
  }
  t.equal(upstream.received.length, 1)
})

t.test('a field that the client takes back as one of its connection counts for nothing', async (t) => {
  const parameters = [parameter('X-Tenant', 'header', { enum: ['one'] }, { required: true })]
  const content = { 'application/json': { schema: { type: 'object' } } }
  const paths = { '/tenants': { get: { parameters }, post: { requestBody: { content } } } }
  const { port, upstream } = await documentedGateway(t, documentOf(paths))
  const send = (method: string, fields: string) =>
    sendRaw(port, `${method} /api/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n${fields}`)
  const tenant = 'X-Tenant: one\r\n'
  t.match((await send('GET', `${tenant}Connection: close, X-TENANT\r\n\r\n`)).text, /^HTTP\/1.1 400 .*"\/X-Tenant"/s)
  const body = 'Content-Type: application/json\r\nConnection: close, content-type\r\nContent-Length: 2\r\n\r\n{}'
  t.match((await send('POST', body)).text, /^HTTP\/1.1 415 /)
  t.strictSame(upstream.received, [])
  t.match((await send('GET', `${tenant}Connection: close, X-Other\r\n\r\n`)).text, /^HTTP\/1.1 200 /)
  t.equal(upstream.received[0]?.headers['x-tenant'], 'one')
})
