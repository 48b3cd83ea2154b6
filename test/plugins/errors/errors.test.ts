// The error table and its writer: what a client hears, and what it never hears.
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import errors, { errorResponses, oauthErrorResponses, problem } from '../../../plugins/errors/index.ts'
import { errorTable } from '../../../plugins/errors/table.ts'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'

async function appWithErrors(lines: string[] = []): Promise<FastifyInstance> {
  const stream = { write: (line: string) => void lines.push(line) }
  const app = Fastify({
    logger: { level: 'debug', stream },
    logController: new LogController({ disableRequestLogging: true }),
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  })
  await app.register(errors)
  app.get('/refused', () => {
    throw problem('forbidden', { detail: 'policy_refused', headers: { 'x-why': 'kept' } })
  })
  app.get('/unauthenticated', () => {
    throw problem('unauthenticated')
  })
  app.get('/broken', () => {
    throw new Error('SELECT secret FROM users failed at /srv/app.ts')
  })
  app.get('/store', () => {
    throw new StoreUnavailable('database is locked')
  })
  app.get('/folder/*', (_request, reply) => reply.callNotFound())
  app.get('/thrown-string', () => Promise.reject('a string'))
  const body = Type.Object({ name: Type.String({ maxLength: 3 }) }, { additionalProperties: false })
  app.post('/strict', { schema: { body } }, () => 'ok')
  app.post('/oauth', { schema: { body }, config: { oauthErrors: true } }, () => {
    throw problem('invalid_grant', { detail: 'reused' })
  })
  app.delete('/things/:id', () => 'gone')
  app.get('/things/:id', () => 'there')
  app.options('*', () => 'preflight')
  return app
}

t.test('a refusal is problem+json with its code, status, sentence and request id', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  const response = await app.inject('/refused')
  t.equal(response.statusCode, 403)
  t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
  t.equal(response.headers['cache-control'], 'no-store')
  t.equal(response.headers['x-why'], 'kept')
  const body = response.json()
  t.match(body, { code: 'forbidden', status: 403, title: errorTable.forbidden.title, request_id: /./ })
  t.notMatch(response.body, /policy_refused/, 'the detail stays inside')
})

t.test('the log says why as `detail`; `reason` is left to the closed table', async (t) => {
  const lines: string[] = []
  const app = await appWithErrors(lines)
  t.teardown(() => app.close())
  await app.inject('/refused')
  await app.inject('/store')
  const entries = lines.map((line) => JSON.parse(line))
  const inStore = { code: 'store_unavailable', detail: 'store_unavailable' }
  t.match(
    entries.filter(({ msg }) => msg === 'request refused'),
    [{ code: 'forbidden', detail: 'policy_refused', granted: false }, inStore],
  )
  t.match(
    entries.find(({ outage }) => outage !== undefined),
    { outage: 'store_unavailable', detail: 'store_unavailable' },
  )
  t.notMatch(lines.join(''), /"reason"/)
})

t.test('a surprise is a 500 that says nothing of itself, and the log says everything', async (t) => {
  const lines: string[] = []
  const app = await appWithErrors(lines)
  t.teardown(() => app.close())
  const response = await app.inject('/broken')
  t.equal(response.statusCode, 500)
  t.equal(response.json().code, 'internal')
  t.notMatch(response.body, /SELECT|srv|stack/i)
  t.ok(lines.some((line) => line.includes('SELECT secret') && line.includes(response.json().request_id)))
  t.equal((await app.inject('/thrown-string')).json().code, 'internal')
})

t.test('a store that is away answers 503 with Retry-After', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  const response = await app.inject('/store')
  t.equal(response.statusCode, 503)
  t.equal(response.json().code, 'store_unavailable')
  t.match(response.headers['retry-after'], /^[1-9]\d*$/)
})

t.test('every 401 carries a challenge', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  const response = await app.inject('/unauthenticated')
  t.equal(response.statusCode, 401)
  t.equal(response.headers['www-authenticate'], 'Bearer realm="cardea"')
})

t.test('a body that breaks the schema names the place, not the value', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  const long = await app.inject({ method: 'POST', url: '/strict', payload: { name: 'hunter2' } })
  t.equal(long.statusCode, 400)
  t.match(long.json(), { code: 'invalid_request', errors: [{ in: 'body', path: '/name' }] })
  t.notMatch(long.body, /hunter2/)
  const missing = await app.inject({ method: 'POST', url: '/strict', payload: {} })
  t.match(missing.json().errors, [{ path: '/name' }])
})

t.test('bodies that cannot be read are 4xx from the table', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  const post = (type: string, payload: string) =>
    app.inject({ method: 'POST', url: '/strict', headers: { 'content-type': type }, payload })
  t.equal((await post('application/json', '{"name":')).json().code, 'invalid_request')
  t.equal((await post('application/json', '')).json().code, 'invalid_request')
  t.equal((await post('image/png', 'x')).json().code, 'unsupported_media_type')
  t.equal((await post('application/json', `{"name":"${'x'.repeat(2 ** 21)}"}`)).json().code, 'body_too_large')
})

t.test('OAuth routes refuse as RFC 6749 section 5.2 says, with our members beside', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  const refused = await app.inject({ method: 'POST', url: '/oauth', payload: { name: 'a' } })
  t.equal(refused.headers['content-type'], 'application/json; charset=utf-8')
  t.match(refused.json(), { error: 'invalid_grant', error_description: errorTable.invalid_grant.title })
  t.match(refused.json(), { code: 'invalid_grant', status: 400, request_id: /./, type: /^urn:/ })
  for (const { title } of Object.values(errorTable)) {
    t.match(title, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, 'an error_description has these characters alone')
  }
  const malformed = await app.inject({ method: 'POST', url: '/oauth', payload: { name: 'a', more: 1 } })
  t.match(malformed.json(), { code: 'invalid_request', error: 'invalid_request' })
  t.notOk((await app.inject('/refused')).json().error)
})

t.test('what is not there is 404, 405 with Allow, or 501', async (t) => {
  const app = await appWithErrors()
  t.teardown(() => app.close())
  t.equal((await app.inject('/nothing')).json().code, 'not_found')
  // A method that the types of inject do not know, which is the point.
  const unheardOf = 'PROPFIND' as 'GET'
  const wrongMethod = await app.inject({ method: 'POST', url: '/things/7?x=1' })
  t.equal(wrongMethod.statusCode, 405)
  t.equal(wrongMethod.headers.allow, 'DELETE, GET, HEAD')
  t.equal((await app.inject({ method: 'POST', url: '/things/7/more' })).statusCode, 404)
  t.equal((await app.inject({ method: unheardOf, url: '/things/7' })).statusCode, 501)
  t.equal((await app.inject('/folder/missing')).statusCode, 404, 'the method is not what is wrong')
  t.equal((await app.inject({ method: 'PUT', url: '/folder/missing' })).statusCode, 405)
})

t.test('declared refusals are grouped by status', async (t) => {
  const declared = errorResponses('invalid_request', 'invalid_grant', 'unauthenticated')
  t.strictSame(Object.keys(declared), ['400', '401'])
  t.equal(declared['400']?.description, '`invalid_request`, `invalid_grant`')
  t.same(Object.keys(declared['400']?.content ?? {}), ['application/problem+json'])
  t.same(Object.keys(oauthErrorResponses('invalid_grant')['400']?.content ?? {}), ['application/json'])
})
