// The strict JSON parser: agrees with JSON.parse wherever it does not refuse.
import Fastify from 'fastify'
import t from 'tap'
import jsonBody, { jsonDepthLimit, parseStrictJson } from '../../../plugins/body-parsers/json.ts'
import bodyMemory from '../../../plugins/body-parsers/memory.ts'
import clientAddress from '../../../plugins/clients/address.ts'
import errors, { Problem } from '../../../plugins/errors/index.ts'

function detailOf(text: string): string | undefined {
  try {
    parseStrictJson(text)
    return undefined
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return error.detail
  }
}

t.test('what is one thing to every reader is parsed as JSON.parse does', (t) => {
  const nested = `${'['.repeat(jsonDepthLimit)}1${']'.repeat(jsonDepthLimit)}`
  for (const text of [
    '{}',
    ' {"a" : 1 , "b":[{"a":1},{"a":2}], "c":{"a":{"b":null}} } ',
    '{"a":"\\"},{\\"a\\":","b":"[[[[[[[["}',
    '{"a":"__proto__","b":["constructor"]}',
    '{"proto":1,"__proto":2,"A":1,"a":2,"":3}',
    '["a","a",{"x":["y","x"]}]',
    '"text"',
    '1e400',
    'null',
    nested,
  ]) {
    t.strictSame(parseStrictJson(text), JSON.parse(text), text)
  }
  t.end()
})

t.test('what two readers may read differently is refused', (t) => {
  const refused: Record<string, string[]> = {
    json_name_repeated: [
      '{"a":1,"a":1}',
      '{"a":1,"b":2,"a":3}',
      '{"a":1,"\\u0061":2}',
      '{"x":[{"a":{},"a":[]}]}',
      '{"a":{"a":1},"a":2}',
      '{"a":[1,2,"a"],"a":2}',
      '{"":1,"":2}',
    ],
    json_name_refused: [
      '{"__proto__":1}',
      '{"\\u005f_proto__":1}',
      '[{"a":{"__proto__":null}}]',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"c\\u006fnstructor":1}',
    ],
    json_too_deep: [
      `${'['.repeat(6)}${']'.repeat(6)}`,
      '{"a":{"a":{"a":{"a":{"a":{}}}}}}',
      `${'['.repeat(2000)}${']'.repeat(2000)}`,
    ],
    json_malformed: [
      '',
      '{',
      '{a:1}',
      "{'a':1}",
      '{"a":1,}',
      '[1]x',
      '\ufeff{}',
      'NaN',
      '{"a":01}',
      '{"a":"\n"}',
      '//\n{}',
    ],
  }
  for (const [detail, texts] of Object.entries(refused)) {
    for (const text of texts) t.equal(detailOf(text), detail, text.slice(0, 40))
  }
  t.end()
})

t.test('a body of the largest size is parsed in no time, whatever is in it', (t) => {
  const before = performance.now()
  for (const part of ['"\\\\', '{"a":', '[', '"a",', '\\', '{}', '"']) detailOf(part.repeat(4096 / part.length))
  detailOf(`{${Array.from({ length: 400 }, (_, i) => `"n${i}":${i}`).join(',')}}`)
  t.ok(performance.now() - before < 500)
  t.end()
})

t.test('an empty body is no body, and plain text is not taken', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(clientAddress, { trustedProxies: [] })
  await app.register(bodyMemory, { limitBytes: 2 ** 20 })
  await app.register(jsonBody)
  app.post('/', async (request) => ({ none: request.body === undefined }))
  const send = (type: string, payload: string) =>
    app.inject({ method: 'POST', url: '/', headers: { 'content-type': type }, payload })
  t.strictSame((await send('application/json', '')).json(), { none: true })
  t.equal((await send('application/json', '{"a":1,"a":1}')).statusCode, 400)
  t.equal((await send('text/plain', 'x')).statusCode, 415)
  t.equal((await send('application/json; charset=iso-8859-1', '{}')).statusCode, 415)
})
