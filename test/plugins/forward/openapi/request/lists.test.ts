// Values as honest clients write them: lists whose commas were encoded, members of objects that are there again, a single value
// where an object is possible too, a content type that ends in a semicolon.
import t from 'tap'
import { mediaTypeOf } from '../../../../../plugins/forward/openapi/request/media-type.ts'
import { documentedGateway, documentOf, json, writeDocument } from '../scene.ts'

const list = (items: object) => ({ type: 'array', items, maxItems: 2 })
const query = (name: string, schema: object, more: object = {}) => ({ name, in: 'query', schema, ...more })
const whole = { explode: false }
const deep = { style: 'deepObject' }
const span = { type: 'object', properties: { gt: { type: 'integer' } }, additionalProperties: false }
const filter = {
  type: 'object',
  properties: {
    list: { $ref: '#/components/schemas/List' },
    one: { type: 'integer' },
    any: { anyOf: [{ type: 'integer' }, list({})] },
  },
}

const document = documentOf(
  {
    '/lists': {
      get: {
        parameters: [
          query('type', { $ref: '#/components/schemas/Kinds' }, whole),
          query('ids', list({ type: 'integer' }), whole),
          query('pair', { type: 'object', properties: { a: { type: 'integer' } } }, whole),
          query('place', list({ enum: ['Oslo, Norway', 'Rome, Italy'] }), whole),
          query('city', list({ type: 'string', example: 'Oslo, Norway', maxLength: 12 }), whole),
          query('each', list({ enum: ['a', 'b'] })),
        ],
      },
    },
    '/deep': {
      get: {
        parameters: [
          query('filter', filter, deep),
          query('created', { anyOf: [span, { type: 'integer' }] }, deep),
          query('ended', { anyOf: [span, { type: 'integer' }] }),
          query('closed', span, deep),
        ],
      },
    },
    '/body': { post: { requestBody: { content: { 'application/json': { schema: { type: 'object' } } } } } },
  },
  {
    components: {
      schemas: {
        List: list({ type: 'integer' }),
        Kinds: { ...list({ enum: ['album', 'track'] }), example: 'album,track' },
      },
    },
  },
)

type Cases = readonly (readonly [string, string[]])[]

async function check(t: Parameters<typeof documentedGateway>[0], path: string, cases: Cases, openapi?: object) {
  const file = writeDocument(t, document)
  const { ask, upstream } = await documentedGateway(t, document, { openapi: { document: file, ...openapi } })
  for (const [written, places] of cases) {
    const status = places.length === 0 ? 200 : 400
    t.strictSame(await ask('GET', `${path}?${written}`), { status, places }, written)
  }
  return upstream
}

t.test('a comma that a client encodes parts the items of a list, and goes on as it came', async (t) => {
  const upstream = await check(t, '/api/lists', [
    ['type=album%2Ctrack', []],
    ['type=album%2ctrack', []],
    ['type=album,track', []],
    ['type=album%2Cartist', ['query /type/1']],
    ['ids=1%2C2', []],
    ['ids=1%2C2%2C3', ['query /ids']],
    ['pair=a%2C1', []],
    ['pair=a%2Cx', ['query /pair/a']],
    ['each=a%2Cb', ['query /each/0']],
  ])
  t.equal(upstream.received[0]?.url, '/lists?type=album%2Ctrack')
})

t.test('where values of the document have commas, an encoded comma is part of a value', async (t) => {
  await check(t, '/api/lists', [
    ['place=Oslo%2C%20Norway,Rome%2C%20Italy', []],
    ['place=Oslo,Rome', ['query /place/0']],
    ['city=Oslo%2CX,Rome%2CY', []],
    ['city=Oslo%2CX,Rome%2CY,Bern', ['query /city']],
  ])
})

t.test('with commas: strict an encoded comma is always part of a value', async (t) => {
  const strict = { commas: 'strict' }
  await check(
    t,
    '/api/lists',
    [
      ['type=album%2Ctrack', ['query /type/0']],
      ['type=album,track', []],
    ],
    strict,
  )
})

t.test('members of a deepObject that are lists may be there again, and others may not', async (t) => {
  await check(t, '/api/deep', [
    ['filter[list]=1&filter[list]=2', []],
    ['filter[list]=1', []],
    ['filter[list]=1&filter[list]=x', ['query /filter/list/1']],
    ['filter[list]=1&filter[list]=2&filter[list]=3', ['query /filter/list']],
    ['filter[list][]=1&filter[list][]=2', []],
    ['filter[any]=1', []],
    ['filter[any]=1&filter[any]=2', []],
    ['filter[one]=1&filter[one]=2', ['query /filter']],
  ])
})

t.test('a single value is taken where anyOf allows it beside an object', async (t) => {
  await check(t, '/api/deep', [
    ['created=5', []],
    ['created[gt]=5', []],
    ['created=x', ['query /created']],
    ['created=5&created=6', ['query /created']],
    ['created=5&created[gt]=5', ['query /created']],
    ['ended=5', []],
    ['gt=5', []],
    ['ended=5&gt=5', ['query /ended']],
    ['closed=5', ['query /closed']],
  ])
})

t.test('a parameter of a content type may be missing between semicolons', async (t) => {
  const { ask } = await documentedGateway(t, document)
  for (const type of [
    'application/json;',
    'application/json ; ; charset=utf-8;',
    'application/json;;charset="utf-8"',
  ]) {
    t.equal((await ask('POST', '/api/body', json({}, type))).status, 200, type)
    t.equal((await ask('POST', '/api/body', json([], type))).status, 400, `${type} is checked`)
  }
  for (const type of [
    'application/json; charset',
    'application/json;x=1;x=2',
    'application/json;,text/plain',
    'application/json,',
  ]) {
    t.equal((await ask('POST', '/api/body', json({}, type))).status, 415, type)
  }
  t.equal(mediaTypeOf('application/json; '), undefined, 'a blank at the end')
  const before = process.cpuUsage()
  t.equal(mediaTypeOf(`a/b${' ; a=b '.repeat(4000)}!`), undefined)
  t.ok(process.cpuUsage(before).user < 1_000_000, 'no field takes long')
})
