// Every refusal of POST /auth/token is one that clients of OAuth can read: `application/json` with `error` (RFC 6749 section
// 5.2), whoever refuses: the edge, the origin rule, a body parser, the route, the store. Other routes have problem details.
import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { StoreUnavailable } from '../../../plugins/session-store/port/store.ts'
import { startGateway, type TestGateway } from '../../support/gateway.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const json = { 'content-type': 'application/json' }

const refusals: [what: string, status: number, error: string, payload: string, headers: Record<string, string>][] = [
  ['a token that is not ours', 400, 'invalid_grant', 'grant_type=refresh_token&refresh_token=x', form],
  ['another grant', 400, 'unsupported_grant_type', 'grant_type=password', form],
  ['no grant', 400, 'invalid_request', 'refresh_token=x', form],
  ['a parameter twice', 400, 'invalid_request', 'grant_type=a&grant_type=b', form],
  ['a scope beyond the grammar', 400, 'invalid_scope', 'grant_type=refresh_token&refresh_token=x&scope=%22', form],
  ['a resource of nobody', 400, 'invalid_target', 'grant_type=refresh_token&refresh_token=x&resource=y', form],
  ['JSON that is none', 400, 'invalid_request', '{', json],
  ['a media type of another kind', 415, 'invalid_request', 'x', { 'content-type': 'image/png' }],
  ['a body that is too large', 413, 'invalid_request', 'x'.repeat(10_000), form],
  ['a query', 400, 'invalid_request', 'grant_type=refresh_token', { ...form, 'x-query': '?a=1' }],
  ['another host', 421, 'invalid_request', 'grant_type=refresh_token', { ...form, host: 'elsewhere.example' }],
  ['an expectation of another kind', 417, 'invalid_request', '', { ...form, expect: '200-ok' }],
  [
    'a foreign page',
    403,
    'invalid_request',
    'grant_type=refresh_token',
    { ...form, origin: 'https://evil.example', cookie: '__Host-cardea_refresh=x' },
  ],
]

t.test('each refusal of /auth/token is an error of OAuth', async (t) => {
  const { app } = await startGateway(t)
  for (const [what, status, error, payload, { 'x-query': query = '', ...headers }] of refusals) {
    const response = await app.inject({ method: 'POST', url: `/auth/token${query}`, payload, headers })
    t.equal(response.statusCode, status, what)
    requireOauthError(t, response, error, what)
  }
})

t.test('what is not the request’s fault does not blame it', async (t) => {
  const refreshLimit = { max: 1, windowMs: 60_000 }
  const refresh = ({ postForm }: TestGateway, token: string) =>
    postForm('/auth/token', `grant_type=refresh_token&refresh_token=${token}`)
  const gateway = await startGateway(t, { config: { refreshLimit } })
  const { refresh_token: next } = (await refresh(gateway, (await gateway.signIn()).refresh_token)).json()
  const limited = await refresh(gateway, next)
  t.equal(limited.statusCode, 429)
  t.match(limited.headers['retry-after'], /^\d+$/)
  requireOauthError(t, limited, 'temporarily_unavailable', 'over the limit')
  const failures = [
    { failure: new StoreUnavailable('away'), status: 503, error: 'temporarily_unavailable' },
    { failure: new Error('a surprise'), status: 500, error: 'server_error' },
  ]
  for (const { failure, status, error } of failures) {
    const failing = await startGateway(t)
    failing.store.sessions.rotate = () => Promise.reject(failure)
    const response = await refresh(failing, (await failing.signIn()).refresh_token)
    t.equal(response.statusCode, status)
    requireOauthError(t, response, error, failure.message)
  }
})

t.test('other routes keep problem details, and no member of OAuth', async (t) => {
  const { post, app } = await startGateway(t)
  const refused = [
    await post('/auth/login', { username: 'alice', password: 'wrong' }),
    await app.inject('/auth/token'),
    await app.inject('/auth/sessions'),
    await app.inject('/nowhere'),
  ]
  for (const { headers, body } of refused) {
    t.equal(headers['content-type'], 'application/problem+json; charset=utf-8')
    t.notMatch(JSON.parse(body), { error: String })
  }
})

function requireOauthError(t: Test, { headers, body }: LightMyRequestResponse, error: string, what: string): void {
  t.equal(headers['content-type'], 'application/json; charset=utf-8', what)
  t.equal(headers['cache-control'], 'no-store', 'RFC 6749 section 5.1: MUST')
  t.match(JSON.parse(body), { error, error_description: String, code: String, request_id: String }, what)
}
