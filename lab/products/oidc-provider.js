// oidc-provider with its in-memory adapter and a public client, at its default settings: every refresh of such a client rotates,
// and a superseded token ends the grant. The code of a sign-in is made by its own models, the rest goes over HTTP.
import Provider from 'oidc-provider'
import { askToken, isLetIn, serve, versionOf } from './server.js'

const clientId = 'lab'
const redirectUri = 'https://app.example/callback'
const scope = 'openid offline_access'

/** @returns {Promise<import('../product.ts').Product>} */
export async function start() {
  let callback
  const { url, close } = await serve((request, response) => callback(request, response))
  const provider = new Provider(url, {
    clients: [
      {
        client_id: clientId,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: [redirectUri],
      },
    ],
  })
  callback = provider.callback()
  return {
    name: versionOf('oidc-provider'),
    windowMs: 0,
    signIn: async () => {
      const code = await codeOf(provider)
      return askToken(`${url}/token`, {
        grant_type: 'authorization_code',
        code,
        client_id: clientId,
        redirect_uri: redirectUri,
      })
    },
    refresh: (refreshToken) =>
      askToken(`${url}/token`, { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId }),
    use: (accessToken) => isLetIn(`${url}/me`, accessToken),
    close,
  }
}

async function codeOf(provider) {
  const client = await provider.Client.find(clientId)
  const grant = new provider.Grant({ accountId: 'alice', clientId })
  grant.addOIDCScope(scope)
  const grantId = await grant.save()
  const now = Math.floor(Date.now() / 1000)
  const code = new provider.AuthorizationCode({
    accountId: 'alice',
    client,
    grantId,
    redirectUri,
    scope,
    gty: 'authorization_code',
    authTime: now,
  })
  return code.save()
}
