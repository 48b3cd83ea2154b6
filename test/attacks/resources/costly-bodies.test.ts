// Bodies that are small and would take a gateway minutes to check by the service's document: meanwhile it would answer nobody.
import t from 'tap'
import { documentedGateway, documentOf, json } from '../../plugins/forward/openapi/scene.ts'

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
    '/nests': bodyOf({ $ref: '#/components/schemas/Nest' }),
    '/words': bodyOf({ type: 'array', items: { type: 'string', pattern: "^(\\p{L}+[ '-]?)+$" } }),
    '/sequences': bodyOf({ type: 'array', items: { type: 'string', pattern: '^[ab]*a[ab]{450}$' } }),
    '/names': bodyOf({ type: 'array', items: { $ref: '#/components/schemas/Tag' } }),
  },
  {
    components: {
      schemas: {
        Tag: {},
        Nest: { type: ['array', 'number'], uniqueItems: true, items: { $ref: '#/components/schemas/Nest' } },
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

t.test('a list of different things is checked in about the time it takes to read', async (t) => {
  const { ask } = await documentedGateway(t, document)
  const before = process.cpuUsage()
  const tags = Array.from({ length: 40_000 }, (_none, i) => [`tag${i}`])
  t.equal((await ask('POST', '/api/tags', json(tags))).status, 200)
  t.strictSame(await ask('POST', '/api/tags', json([...tags, ['tag7']])), { status: 400, places: ['body /'] })
  t.ok(process.cpuUsage(before).user / 1000 < 3000)
})

t.test('things are different or not whatever the order of their members', async (t) => {
  const { ask } = await documentedGateway(t, document)
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

t.test('choices inside choices are checked to an end, and refused where that would take for ever', async (t) => {
  const { ask, upstream } = await documentedGateway(t, document)
  const before = process.cpuUsage()
  t.equal((await ask('POST', '/api/expressions', json(Object(nested(8, 'x'))))).status, 200)
  upstream.received.length = 0
  for (const depth of [20, 45]) {
    const refused = await ask('POST', '/api/expressions', json(Object(nested(depth, 5))))
    t.strictSame(refused, { status: 400, places: ['body /'] }, `depth ${depth}`)
  }
  t.strictSame(upstream.received, [])
  t.ok(process.cpuUsage(before).user / 1000 < 3000)
})

t.test('a body that is long, and simple, is no effort', async (t) => {
  const { ask } = await documentedGateway(t, document)
  const body = json(Array.from({ length: 400_000 }, () => 1))
  t.equal((await ask('POST', '/api/names', body)).status, 200)
})

t.test('lists of different things inside each other are checked in about the time it takes to read', async (t) => {
  const { ask } = await documentedGateway(t, document)
  // Sixty lists around a long one: written anew at each level, a megabyte took seconds.
  let nest: unknown = Array.from({ length: 120_000 }, (_none, i) => 100_000 + i)
  for (let depth = 0; depth < 60; depth += 1) nest = [nest]
  const before = process.cpuUsage()
  t.equal((await ask('POST', '/api/nests', json(Object(nest)))).status, 200)
  const { user } = process.cpuUsage(before)
  t.strictSame(await ask('POST', '/api/nests', json('[[1,[2,[3]]],[1,[2,[3.0]]]]')), {
    status: 400,
    places: ['body /'],
  })
  t.ok(user / 1000 < 1200, `${user / 1000} ms`)
})

t.test('a pattern with letters of all languages does not keep the gateway', async (t) => {
  const { ask } = await documentedGateway(t, document)
  const before = process.cpuUsage()
  t.equal((await ask('POST', '/api/words', json(['a'.repeat(32), 'Jean-Luc', '日本']))).status, 200)
  t.strictSame(await ask('POST', '/api/words', json([`${'a'.repeat(32)}1`])), { status: 400, places: ['body /0'] })
  t.strictSame(await ask('POST', '/api/words', json([`${'a'.repeat(500_000)}1`])), { status: 400, places: ['body /0'] })
  const { user } = process.cpuUsage(before)
  t.ok(user / 1000 < 2500, `${user / 1000} ms`)
})

t.test('what a pattern costs counts as work for the body', async (t) => {
  const { ask, upstream } = await documentedGateway(t, document)
  const sequence = Array.from({ length: 450 }, (_none, i) => 'ab'[((i * 7919) % 13) & 1]).join('')
  t.equal((await ask('POST', '/api/sequences', json([`a${sequence}`]))).status, 200)
  upstream.received.length = 0
  const before = process.cpuUsage()
  t.strictSame(await ask('POST', '/api/sequences', json([sequence.repeat(1500)])), { status: 400, places: ['body /'] })
  const { user } = process.cpuUsage(before)
  t.strictSame(upstream.received, [])
  t.ok(user / 1000 < 2500, `${user / 1000} ms`)
})

t.test('a document that is one chain of references is compiled once, in turns, and checks', async (t) => {
  const length = 1000
  const schemas: Record<string, object> = { S0: { type: 'string' } }
  const paths: Record<string, object> = {}
  for (let i = 1; i <= length; i += 1) {
    schemas[`S${i}`] = { type: 'object', properties: { next: { $ref: `#/components/schemas/S${i - 1}` } } }
    paths[`/s${i}`] = bodyOf({ $ref: `#/components/schemas/S${i}` })
  }
  let turns = 0
  let isOver = false
  const turn = () => {
    turns += 1
    if (!isOver) setImmediate(turn)
  }
  turn()
  const before = process.cpuUsage()
  const { ask, document: compiled } = await documentedGateway(t, documentOf(paths, { components: { schemas } }))
  const { user } = process.cpuUsage(before)
  isOver = true
  t.equal(compiled.operations.length, length)
  t.ok(user / 1000 < 15_000, `${user / 1000} ms`)
  t.ok(turns > 100, `other work had its turn ${turns} times`)
  t.equal((await ask('POST', '/api/s1000', json('{"next":{"next":{}}}'))).status, 200)
  t.strictSame(await ask('POST', '/api/s2', json('{"next":{"next":5}}')), { status: 400, places: ['body /next/next'] })
})
