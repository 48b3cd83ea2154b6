// better-auth with its OAuth provider and its memory adapter, at the defaults: every refresh rotates, and a superseded token ends
// every session of this client and user, so that each sign-in here is another person's.
import { oauthProvider } from '@better-auth/oauth-provider'
import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { jwt } from 'better-auth/plugins'
import { askToken, isLetIn, keepCookies, listenerOf, serve, versionOf } from './server.js'

const redirectUri = 'https://app.example/callback'
const models = [
  ...['user', 'session', 'account', 'verification', 'jwks'],
  ...['oauthClient', 'oauthAccessToken', 'oauthRefreshToken', 'oauthConsent'],
]

/** @returns {Promise<import('../product.ts').Product>} */
export async function start() {
  let auth
  const { url, close } = await serve(listenerOf((request) => auth.handler(request)))
  auth = betterAuth({
    baseURL: url,
    secret: crypto.randomUUID(),
    database: memoryAdapter(Object.fromEntries(models.map((model) => [model, []]))),
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [jwt(), oauthProvider({ loginPage: '/sign-in', consentPage: '/consent' })],
  })
  const base = `${url}/api/auth`
  const { client_id: clientId } = await auth.api.adminCreateOAuthClient({
    headers: { cookie: cookieField(await signUp(base, url)) },
    body: {
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'none',
      application_type: 'web',
      skip_consent: true,
    },
  })
  const fields = { client_id: clientId, redirect_uri: redirectUri }
  return {
    name: versionOf('better-auth'),
    windowMs: 0,
    signIn: async () => {
      const cookies = await signUp(base, url)
      const verifier = crypto.randomUUID() + crypto.randomUUID()
      const digest = await crypto.subtle.digest('SHA-256', Buffer.from(verifier))
      const pkce = { code_challenge: Buffer.from(digest).toString('base64url'), code_challenge_method: 'S256' }
      const asked = { ...fields, ...pkce, response_type: 'code', scope: 'openid offline_access', state: 'lab' }
      const code = await codeOf(`${base}/oauth2/authorize?${new URLSearchParams(asked)}`, cookies)
      const grant = { grant_type: 'authorization_code', code, code_verifier: verifier, ...fields }
      return askToken(`${base}/oauth2/token`, grant)
    },
    refresh: (refreshToken) =>
      askToken(`${base}/oauth2/token`, {
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        client_id: clientId,
      }),
    use: (accessToken) => isLetIn(`${base}/oauth2/userinfo`, accessToken),
    close,
  }
}

// @returns the cookies of somebody new
async function signUp(base, origin) {
  const body = JSON.stringify({
    name: 'somebody',
    email: `${crypto.randomUUID()}@app.example`,
    password: 'correct horse battery',
  })
  const headers = { 'content-type': 'application/json', origin }
  const response = await fetch(`${base}/sign-up/email`, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(`${base}/sign-up/email: ${response.status} ${await response.text()}`)
  const cookies = new Map()
  keepCookies(cookies, response)
  return cookies
}

// To a script it says in JSON where a browser is led.
async function codeOf(url, cookies) {
  const response = await fetch(url, { headers: { cookie: cookieField(cookies) } })
  const text = await response.text()
  const code = response.ok && new URL(JSON.parse(text).url).searchParams.get('code')
  if (!code) throw new Error(`${url}: ${response.status} ${text}`)
  return code
}

function cookieField(cookies) {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
}
