// Bodies that are small and would take a gateway minutes to judge by the service's document: meanwhile it would answer nobody.
import t from 'tap'
import { describedGateway, documentOf, json } from '../forward/openapi/scene.ts'

const bodyOf = (schema: object) => ({ post: { requestBody: { content: { 'application/json': { schema } } } } })
const node = (op: string) => ({
  type: 'object',
  required: ['arg', 'op'],
  properties: { arg: { $ref: '#/components/schemas/Expression' }, op: { const: op } },
})

const document = documentOf(
  {
    '/tags': bodyOf({ type: 'array', uniqueItems: true, items: { $ref: '#/components/schemas/Tag' } }),
    '/expressions': bodyOf({ $ref: '#/components/schemas/Expression' }),
    '/names': bodyOf({ type: 'array', items: { $ref: '#/components/schemas/Tag' } }),
  },
  {
    components: {
      schemas: {
        Tag: {},
        And: node('and'),
        Or: node('or'),
        Expression: {
          oneOf: [{ $ref: '#/components/schemas/And' }, { $ref: '#/components/schemas/Or' }, { type: 'string' }],
        },
      },
    },
  },
)

function nested(depth: number, leaf: unknown): unknown {
  return depth === 0 ? leaf : { arg: nested(depth - 1, leaf), op: 'and' }
}

t.test('a list of different things is judged in about the time it takes to read', async (t) => {
  const { ask } = await describedGateway(t, document)
  const startedMs = performance.now()
  const tags = Array.from({ length: 40_000 }, (_none, i) => [`tag${i}`])
  t.equal((await ask('POST', '/api/tags', json(tags))).status, 200)
  t.strictSame(await ask('POST', '/api/tags', json([...tags, ['tag7']])), { status: 400, places: ['body /'] })
  t.ok(performance.now() - startedMs < 3000)
})

t.test('things are different or not whatever the order of their members', async (t) => {
  const { ask } = await describedGateway(t, document)
  for (const [body, status] of [
    ['[{"a":1,"b":[2]},{"b":[2],"a":1.0}]', 400],
    ['[{"a":{"c":1,"d":2}},{"a":{"d":2,"c":1}}]', 400],
    ['[0,-0]', 400],
    ['[null,null]', 400],
    ['[1,"1",true,"true",null,"null",[1],["1"],{"1":1},{"1":"1"},{}]', 200],
    ['[{"__proto__":1},{}]', 200],
  ] as const) {
    t.equal((await ask('POST', '/api/tags', json(body))).status, status, body)
  }
})

t.test('choices inside choices are judged to an end, and refused where that would take for ever', async (t) => {
  const { ask, upstream } = await describedGateway(t, document)
  const startedMs = performance.now()
  t.equal((await ask('POST', '/api/expressions', json(Object(nested(8, 'x'))))).status, 200)
  upstream.received.length = 0
  for (const depth of [20, 45]) {
    const refused = await ask('POST', '/api/expressions', json(Object(nested(depth, 5))))
    t.strictSame(refused, { status: 400, places: ['body /'] }, `depth ${depth}`)
  }
  t.strictSame(upstream.received, [])
  t.ok(performance.now() - startedMs < 3000)
})

t.test('a body that is long, and simple, is no effort', async (t) => {
  const { ask } = await describedGateway(t, document)
  const body = json(Array.from({ length: 400_000 }, () => 1))
  t.equal((await ask('POST', '/api/names', body)).status, 200)
})
