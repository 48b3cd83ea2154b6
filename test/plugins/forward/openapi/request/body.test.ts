// Bodies as documents really describe them: media types with parameters, prices.
import t from 'tap'
import { documentedGateway, documentOf, json } from '../scene.ts'

const needs = (name: string) => ({ schema: { type: 'object', required: [name] } })
const bodyOf = (content: object) => ({ post: { requestBody: { content } } })

const document = documentOf(
  {
    '/versions': bodyOf({
      'application/json': needs('none'),
      'application/json; version=1': needs('one'),
      'application/json;version=2; charset=utf-8': needs('two'),
    }),
    '/late': bodyOf({ 'application/json; version=2': needs('two') }),
    '/text': bodyOf({ 'application/json; charset=UTF-8': needs('one') }),
    '/things': bodyOf({ 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } }),
    '/parts': bodyOf({ 'application/json': { schema: { $ref: '#/components/schemas/Part' } } }),
    '/prices': bodyOf({
      'application/json': { schema: { type: 'object', properties: { price: { type: 'number', multipleOf: 0.01 } } } },
    }),
  },
  {
    components: {
      schemas: {
        Id: { type: 'integer', readOnly: true },
        Thing: {
          type: 'object',
          required: ['id', 'made', 'name'],
          properties: { id: { $ref: '#/components/schemas/Id' }, made: { readOnly: true }, name: { type: 'string' } },
        },
        Part: {
          allOf: [{ $ref: '#/components/schemas/Thing' }, { required: ['id', 'size'], properties: { size: {} } }],
        },
      },
    },
  },
)

t.test('media types that differ in a parameter are checked by their own schemas', async (t) => {
  const { ask } = await documentedGateway(t, document)
  for (const [path, type, member, status] of [
    ['versions', 'application/json', 'none', 200],
    ['versions', 'application/json;version=1', 'one', 200],
    ['versions', 'Application/JSON; Version="1"; charset=utf-8', 'one', 200],
    ['versions', 'application/json; version=2', 'two', 200],
    ['versions', 'application/json; version=2', 'one', 400],
    ['versions', 'application/json; version=3', 'one', 400],
    ['late', 'application/json; version=2', 'two', 200],
    ['late', 'application/json', 'two', 415],
    ['text', 'application/json', 'one', 200],
    ['text', 'application/json', 'two', 400],
  ] as const) {
    const response = await ask('POST', `/api/${path}`, json({ [member]: 1 }, type))
    t.equal(response.status, status, `${path} ${type} ${member}`)
  }
})

t.test('a price is a multiple of a cent, whatever binary fractions say', async (t) => {
  const { ask } = await documentedGateway(t, document)
  for (const price of ['4.35', '0.07', '19.99', '1e2', '-4.35', '1234567.89', '0']) {
    t.equal((await ask('POST', '/api/prices', json(`{"price":${price}}`))).status, 200, price)
  }
  for (const price of ['1.005', '0.001', '1e400', '"4.35"']) {
    t.strictSame(
      await ask('POST', '/api/prices', json(`{"price":${price}}`)),
      { status: 400, places: ['body /price'] },
      price,
    )
  }
})

t.test('what is only read need not be sent, wherever the document says so', async (t) => {
  const { ask } = await documentedGateway(t, document)
  for (const [path, body, expected] of [
    ['things', { name: 'a' }, { status: 200, places: [] }],
    ['things', {}, { status: 400, places: ['body /name'] }],
    ['things', { name: 'a', id: 'x' }, { status: 400, places: ['body /id'] }],
    ['parts', { name: 'a', size: 1 }, { status: 200, places: [] }],
    ['parts', { name: 'a' }, { status: 400, places: ['body /size'] }],
  ] as const) {
    t.strictSame(await ask('POST', `/api/${path}`, json(body)), expected, `${path} ${JSON.stringify(body)}`)
  }
})
