// Tests of what other parties read: RFC 8414 metadata and the JWKS, both true of this gateway and nothing more.
import Fastify from 'fastify'
import { createRemoteJWKSet, customFetch } from 'jose'
import t, { type Test } from 'tap'
import metadata from '../../../../src/routes/system/metadata.ts'
import { issuer, type KeyGatewayOptions, openGateway } from '../../../plugins/access-tokens/gateway.ts'
import { startGateway } from '../../../support/gateway.ts'

// The routes on an app of their own, over the tokens of a gateway.
async function openMetadata(t: Test, options: KeyGatewayOptions & { issuer?: string } = {}) {
  const { app: gateway } = await openGateway(t, options)
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorate('accessTokens', gateway.accessTokens)
  await app.register(metadata, { issuer: options.issuer ?? issuer })
  return app
}

const metadataPaths = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']

t.test('the metadata lists what works, and nothing else, where either kind of library looks', async (t) => {
  const app = await openMetadata(t)
  for (const path of metadataPaths) {
    const response = await app.inject(path)
    t.equal(response.statusCode, 200, path)
    t.match(response.headers['content-type'], /^application\/json/)
    t.same(response.json(), {
      issuer,
      token_endpoint: `${issuer}/auth/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      grant_types_supported: ['refresh_token'],
      token_endpoint_auth_methods_supported: ['none'],
    })
  }
})

t.test('no list of the metadata is empty (RFC 8414 section 3.2)', async (t) => {
  for (const alg of ['ES256', 'HS256'] as const) {
    const app = await openMetadata(t, { alg })
    for (const path of metadataPaths) {
      for (const [name, value] of Object.entries((await app.inject(path)).json())) t.notSame(value, [], name)
    }
  }
})

t.test('pages of any origin may read metadata and keys, without credentials', async (t) => {
  const origin = 'https://anywhere.example'
  const alone = await openMetadata(t)
  const listed = 'https://app.example'
  const { app: gateway } = await startGateway(t, { config: { allowedOrigins: [listed] } })
  for (const [of, app] of Object.entries({ alone, gateway })) {
    for (const url of [...metadataPaths, '/.well-known/jwks.json']) {
      const read = await app.inject({ url, headers: { origin } })
      t.equal(read.statusCode, 200)
      t.equal(read.headers['access-control-allow-origin'], '*', `${of} ${url}`)
      t.equal(read.headers['access-control-allow-credentials'], undefined)
      t.equal(read.headers['cross-origin-resource-policy'], 'cross-origin')
      const wanted = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-trace' }
      const asked = await app.inject({ method: 'OPTIONS', url, headers: { origin, ...wanted } })
      t.equal(asked.statusCode, 204)
      t.equal(asked.headers['access-control-allow-origin'], '*', `${of} OPTIONS ${url}`)
      t.equal(asked.headers['access-control-allow-headers'], 'x-trace')
    }
  }
  const { headers } = await gateway.inject({ url: '/.well-known/jwks.json', headers: { origin: listed } })
  t.equal(headers['access-control-allow-origin'], listed, 'one of the list may send its cookies along')
  t.equal(headers['access-control-allow-credentials'], 'true')
})

t.test('with HS256 there is no jwks_uri, and the JWKS is empty', async (t) => {
  const app = await openMetadata(t, { alg: 'HS256' })
  t.notOk('jwks_uri' in (await app.inject('/.well-known/oauth-authorization-server')).json())
  t.same((await app.inject('/.well-known/jwks.json')).json(), { keys: [] })
})

t.test('an issuer with a path has its metadata where RFC 8414 looks for it', async (t) => {
  const app = await openMetadata(t, { issuer: 'https://door.example/tenant/' })
  for (const path of [...metadataPaths, ...metadataPaths.map((path) => `${path}/tenant`)]) {
    const { token_endpoint, jwks_uri } = (await app.inject(path)).json()
    t.equal(token_endpoint, 'https://door.example/tenant/auth/token')
    t.equal(jwks_uri, 'https://door.example/tenant/.well-known/jwks.json')
  }
})

t.test('the JWKS holds public members only, and may be kept for five minutes', async (t) => {
  for (const alg of ['ES256', 'RS256', 'EdDSA'] as const) {
    const app = await openMetadata(t, { alg })
    const response = await app.inject('/.well-known/jwks.json')
    t.equal(response.headers['cache-control'], 'public, max-age=300')
    const [key, ...others] = response.json().keys
    t.same(others, [])
    t.match(key, { alg, use: 'sig', kid: /^[A-Za-z0-9_-]{22}$/ })
    const expected = { ES256: ['crv', 'x', 'y'], RS256: ['e', 'n'], EdDSA: ['crv', 'x'] }[alg]
    t.same(Object.keys(key).sort(), ['alg', 'kid', 'kty', 'use', ...expected].sort())
  }
})

t.test('a client of jose that is given only jwks_uri finds the key of a token', async (t) => {
  const { app: gateway, signIn } = await openGateway(t)
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorate('accessTokens', gateway.accessTokens)
  await app.register(metadata, { issuer })
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
    [customFetch]: async (url: string) => new Response((await app.inject(new URL(url).pathname)).body),
  })
  const { jwtVerify } = await import('jose')
  const session = await signIn()
  const { token } = gateway.accessTokens.issue(session)
  const currentDate = new Date(Date.UTC(2026, 10, 23, 12))
  const { payload } = await jwtVerify(token, keys, { issuer, audience: issuer, typ: 'at+jwt', currentDate })
  t.equal(payload['sid'], session.sid)
})
