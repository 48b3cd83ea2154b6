// Tests of where documents come from: files of one folder, URLs of one origin, within limits; and what their references may
// name.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { documentLimits, readDocument } from '../../../../../plugins/forward/openapi/index.ts'
import { temporaryFolder } from '../../../../support/temporary-folder.ts'
import { startFakeUpstream, startStreamingUpstream } from '../../../../support/upstream.ts'
import { documentedGateway, json } from '../scene.ts'

function written(t: Test, files: Record<string, string>): string {
  const folder = temporaryFolder(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const head = 'openapi: 3.0.3\ninfo: { title: t, version: "1" }\n'

t.test('references lead to other files and back, and in circles', async (t) => {
  const folder = written(t, {
    'api/main.yaml': `${head}paths: { /a: { $ref: "paths/a.yaml" } }
components: { schemas: { Name: { type: string, maxLength: 3, nullable: true } } }\n`,
    'api/paths/a.yaml': `post: { requestBody: { content: { application/json: { schema: { $ref: "../node.json#/defs/Node" } } } } }\n`,
    'api/node.json': `{ "defs": { "Node": { "type": "object", "properties": {
      "name": { "$ref": "main.yaml#/components/schemas/Name" }, "next": { "$ref": "#/defs/Node" },
      "count": { "type": "number", "minimum": 0, "exclusiveMinimum": true } } } } }`,
  })
  const { ask } = await documentedGateway(t, join(folder, 'api/main.yaml'))
  t.equal((await ask('POST', '/api/a', json({ name: 'abc', next: { next: { name: null, count: 1 } } }))).status, 200)
  t.strictSame((await ask('POST', '/api/a', json({ next: { name: 'long' } }))).places, ['body /next/name'])
  t.strictSame((await ask('POST', '/api/a', json({ next: { count: 0 } }))).places, ['body /next/count'])
})

t.test('no file is read outside the folder of the document, whichever way it is named', async (t) => {
  const folder = written(t, {
    'secret.yaml': 'type: string\n',
    'api/up.yaml': `${head}paths: { /a: { $ref: "../secret.yaml" } }\n`,
    'api/escaped.yaml': `${head}paths: { /a: { $ref: "%2e%2e/secret.yaml" } }\n`,
    'api/link.yaml': `${head}paths: { /a: { $ref: "linked.yaml" } }\n`,
    'api/web.yaml': `${head}paths: { /a: { $ref: "http://127.0.0.1:9/a.yaml" } }\n`,
  })
  symlinkSync('../secret.yaml', join(folder, 'api/linked.yaml'))
  for (const name of ['up', 'escaped', 'link']) {
    await t.rejects(readDocument(join(folder, `api/${name}.yaml`)), /outside the folder/, name)
  }
  await t.rejects(readDocument(join(folder, 'api/web.yaml')), /is not fetched/)
  await t.rejects(readDocument(join(folder, 'api/none.yaml')), /cannot be read \(ENOENT\)/)
})

t.test('a URL leads to its own origin only, and nowhere else', async (t) => {
  const other = await startFakeUpstream()
  t.teardown(() => other.close())
  const service = await startFakeUpstream(({ url }, response) => {
    if (url === '/moved') return void response.writeHead(302, { location: `${other.url}/` }).end()
    if (url === '/gone') return void response.writeHead(404).end()
    if (url === '/part.json') return void response.end('{"get":{}}')
    const reference = url === '/near' ? 'part.json' : `${other.url}/part.json`
    response.end(`${head}paths: { /a: { $ref: "${reference}" } }\n`)
  })
  t.teardown(() => service.close())
  t.equal((await readDocument(`${service.url}/near`)).files.size, 2)
  await t.rejects(readDocument(`${service.url}/far`), /it is not of/)
  await t.rejects(readDocument(`${service.url}/moved`), /cannot be fetched/)
  await t.rejects(readDocument(`${service.url}/gone`), /answered 404/)
  t.strictSame(other.received, [])
})

t.test('size, number, depth and time are limited', async (t) => {
  const endless = await startStreamingUpstream((request, response) => {
    if (request.url === '/large') response.end(`{"openapi":"3.1.0","x":"${'x'.repeat(100_000)}"}`)
  })
  t.teardown(() => endless.close())
  const limits = { ...documentLimits, totalBytes: 1000, timeoutMs: 200 }
  await t.rejects(readDocument(`${endless.url}/large`, limits), /is too large/)
  await t.rejects(readDocument(`${endless.url}/silent`, limits), /cannot be fetched/)
  const aliases = `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f'].map((n, i) => `${n}: &${n} [${Array(9).fill(`*${'abcde'[i]}`)}]\n`).join('')}`
  const folder = written(t, {
    'many.json': JSON.stringify({ list: Array(2000).fill(0) }),
    'deep.json': `${'['.repeat(300)}${']'.repeat(300)}`,
    'proto.json': '{"a":{"__proto__":{}}}',
    'none.json': 'nothing: [',
    'bomb.yaml': aliases,
  })
  const nodes = { ...documentLimits, nodes: 1000 }
  await t.rejects(readDocument(join(folder, 'many.json'), nodes), /more than 1000 values/)
  await t.rejects(readDocument(join(folder, 'deep.json')), /nested deeper/)
  await t.rejects(readDocument(join(folder, 'proto.json')), /__proto__/)
  await t.rejects(readDocument(join(folder, 'none.json')), /neither JSON nor YAML/)
  await t.rejects(readDocument(join(folder, 'bomb.yaml')), /neither JSON nor YAML/)
})

t.test('what is no OpenAPI 3, or leads nowhere, is refused; what cannot be checked is said', async (t) => {
  const refused: [object, RegExp][] = [
    [{ swagger: '2.0', paths: {} }, /Swagger 2.0/],
    [{ openapi: '4.0.0', paths: {} }, /found: 4.0.0/],
    [{ openapi: '3.1.0', paths: {} }, /No operation/],
    [{ openapi: '3.1.0', paths: { '/a': { $ref: '#/components/pathItems/a' } } }, /leads nowhere/],
  ]
  for (const [document, why] of refused) await t.rejects(documentedGateway(t, document), why)
  const body = (schema: object) => ({ post: { requestBody: { content: { 'application/json': { schema } } } } })
  const { document, ask } = await documentedGateway(t, {
    openapi: '3.0.0',
    info: {},
    paths: {
      '/pattern': body({ type: 'string', pattern: '(' }),
      '/ahead': body({ type: 'string', pattern: '^(?=.*[0-9]).{8}$', maxLength: 10 }),
      '/names': body({
        type: 'object',
        patternProperties: { '^(?!x-)': { type: 'number' }, '^n': { type: 'number' } },
        additionalProperties: false,
      }),
      '/format': body({ type: 'string', format: 'odd' }),
      '/required': body({ type: 'object', required: true }),
      '/nowhere': body({ $ref: '#/components/schemas/None' }),
      '/matrix/{id}': { get: { parameters: [{ name: 'id', in: 'path', style: 'matrix', schema: {} }] } },
    },
  })
  t.match(document.warnings.join('\n'), /pattern: "\(" is no regular expression and is not checked/)
  t.match(document.warnings.join('\n'), /pattern: .* needs more than linear time to be checked and is not checked/)
  t.match(document.warnings.join('\n'), /patternProperties: \^\(\?!x-\) needs more than linear time/)
  t.match(document.warnings.join('\n'), /unknown format "odd"/)
  t.match(document.warnings.join('\n'), /POST \/nowhere is left out/)
  t.match(document.warnings.join('\n'), /style matrix is not supported/)
  t.equal((await ask('POST', '/api/pattern', json('"x"'))).status, 200)
  t.equal((await ask('POST', '/api/required', json('1'))).status, 400, 'the rest is checked')
  t.equal((await ask('POST', '/api/ahead', json('"without"'))).status, 200)
  t.equal((await ask('POST', '/api/ahead', json('"more than ten"'))).status, 400)
  t.equal((await ask('POST', '/api/names', json('{"other":1}'))).status, 200, 'it may be one that cannot be checked')
  t.equal((await ask('POST', '/api/names', json('{"name":"x"}'))).status, 400)
  t.equal((await ask('POST', '/api/nowhere', json('1'))).status, 404, 'what cannot be checked is not forwarded')
})
