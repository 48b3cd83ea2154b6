// oauth4webapi against the gateway, as its documentation says: it finds the gateway by its metadata, refreshes, reads why a
// refresh was refused, and checks access tokens as a service would.
import * as oauth from 'oauth4webapi'
import t from 'tap'
import { listeningGateway } from './scene.ts'

const client: oauth.Client = { client_id: 'app' }
const overHttp = { [oauth.allowInsecureRequests]: true }

async function discover(url: string, algorithm: 'oidc' | 'oauth2'): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(url)
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...overHttp })
  return await oauth.processDiscoveryResponse(issuer, response)
}

async function refresh(server: oauth.AuthorizationServer, refreshToken: string, parameters = {}) {
  const options = { ...overHttp, additionalParameters: parameters }
  const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options)
  return await oauth.processRefreshTokenResponse(server, client, response)
}

async function errorOf(act: Promise<unknown>): Promise<oauth.ResponseBodyError> {
  const error = await act.then(
    () => 'nothing was refused',
    (error: unknown) => error,
  )
  if (error instanceof oauth.ResponseBodyError) return error
  throw new Error('it could not read the refusal', { cause: error })
}

for (const algorithm of ['oidc', 'oauth2'] as const) {
  t.test(`found by its ${algorithm} metadata, it refreshes, and the app sees invalid_grant`, async (t) => {
    const { url, signIn, post } = await listeningGateway(t)
    const server = await discover(url, algorithm)
    const tokens = await signIn()
    const refreshed = await refresh(server, tokens.refresh_token)
    t.match(refreshed, { token_type: 'bearer', scope: tokens.scope })
    t.not(refreshed.refresh_token, tokens.refresh_token)
    await post('/auth/logout', { refresh_token: tokens.refresh_token })
    const refused = await errorOf(refresh(server, refreshed.refresh_token ?? ''))
    t.match(refused, { error: 'invalid_grant', status: 400, error_description: /sign in again/ })
    t.match(refused.cause, { code: 'invalid_grant', request_id: String })
  })
}

t.test('the app sees which parameter was too much', async (t) => {
  const { url, signIn } = await listeningGateway(t)
  const server = await discover(url, 'oidc')
  const { refresh_token } = await signIn()
  t.equal((await errorOf(refresh(server, refresh_token, { scope: 'payments' }))).error, 'invalid_scope')
  t.equal((await errorOf(refresh(server, refresh_token, { resource: 'urn:nobody' }))).error, 'invalid_target')
  t.equal((await refresh(server, refresh_token, { scope: 'orders:read' })).scope, 'orders:read')
})

t.test('a service checks access tokens with the metadata alone', async (t) => {
  const { url, clock, signIn } = await listeningGateway(t)
  const server = await discover(url, 'oidc')
  const { access_token } = await signIn()
  const asked = new Request('https://orders.test/', { headers: { authorization: `Bearer ${access_token}` } })
  // The test holds the gateway's clock, not the client's.
  const skewed = { ...overHttp, [oauth.clockSkew]: Math.round((clock.now() - Date.now()) / 1000) }
  t.match(await oauth.validateJwtAccessToken(server, asked, url, skewed), { iss: url, sub: 'alice' })
})
