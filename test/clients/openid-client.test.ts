// openid-client against the gateway, as its documentation says: discovery by the issuer alone, a refresh, a request with the
// access token, and an error that the app can act upon.
import * as openid from 'openid-client'
import t from 'tap'
import { listeningGateway } from './scene.ts'

t.test('it needs the issuer only; the app sees invalid_grant', async (t) => {
  const { url, signIn } = await listeningGateway(t)
  const overHttp = { execute: [openid.allowInsecureRequests] }
  const config = await openid.discovery(new URL(url), 'app', undefined, openid.None(), overHttp)
  t.equal(config.serverMetadata().token_endpoint, `${url}/auth/token`)
  const first = await signIn()
  const next = await openid.refreshTokenGrant(config, first.refresh_token)
  t.ok((next.expiresIn() ?? 0) > 0)
  const sessions = await openid.fetchProtectedResource(
    config,
    next.access_token,
    new URL(`${url}/auth/sessions`),
    'GET',
  )
  t.match(await sessions.json(), { sessions: [{ sid: first.session_id, current: true }] })
  const ended = await openid.fetchProtectedResource(
    config,
    next.access_token,
    new URL(`${url}/auth/sessions`),
    'DELETE',
  )
  t.equal(ended.status, 200)
  const refused = openid.refreshTokenGrant(config, next.refresh_token ?? '')
  await t.rejects(refused, { name: 'ResponseBodyError', error: 'invalid_grant', status: 400 })
})

t.test('a client secret that nobody asked for does no harm', async (t) => {
  const { url, signIn } = await listeningGateway(t)
  for (const authentication of [openid.ClientSecretPost('secret'), openid.ClientSecretBasic('secret')]) {
    const overHttp = { execute: [openid.allowInsecureRequests] }
    const config = await openid.discovery(new URL(url), 'app', undefined, authentication, overHttp)
    const { refresh_token } = await signIn()
    t.ok((await openid.refreshTokenGrant(config, refresh_token)).access_token)
  }
})
