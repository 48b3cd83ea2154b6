// @cloudflare/workers-oauth-provider as one Worker, outside of Workers: a key-value store in memory and an empty
// `cloudflare:workers` are all it needs. The previous token is honoured until the next one is used as a refresh token.
import { registerHooks } from 'node:module'
import { askToken, codeFrom, isLetIn, listenerOf, serve, versionOf } from './server.js'

const stub = 'data:text/javascript,export class WorkerEntrypoint {}; export const env = {}'
const redirectUri = 'https://app.example/callback'
const context = { waitUntil: () => undefined, passThroughOnException: () => undefined, props: {} }

/** @returns {Promise<import('../product.ts').Product>} */
export async function start() {
  registerHooks({
    resolve: (name, parent, next) =>
      name === 'cloudflare:workers' ? { url: stub, shortCircuit: true } : next(name, parent),
  })
  const { OAuthProvider } = await import('@cloudflare/workers-oauth-provider')
  let handler
  const { url, close } = await serve(listenerOf((request) => handler(request)))
  const provider = new OAuthProvider({
    apiRoute: '/api',
    apiHandler: { fetch: () => new Response('in') },
    defaultHandler: { fetch: authorize },
    authorizeEndpoint: '/authorize',
    tokenEndpoint: '/token',
    clientRegistrationEndpoint: '/register',
    scopesSupported: ['offline_access'],
    resourceMetadata: { resource: `${url}/api`, authorization_servers: [url] },
  })
  const env = { OAUTH_KV: new MemoryKv() }
  handler = (request) => provider.fetch(request, env, context)
  const clientId = await register(url)
  const fields = { client_id: clientId, redirect_uri: redirectUri }
  return {
    name: versionOf('@cloudflare/workers-oauth-provider'),
    windowMs: 0,
    signIn: async () => {
      const verifier = crypto.randomUUID() + crypto.randomUUID()
      const digest = await crypto.subtle.digest('SHA-256', Buffer.from(verifier))
      const challenge = Buffer.from(digest).toString('base64url')
      const pkce = { code_challenge: challenge, code_challenge_method: 'S256' }
      const query = new URLSearchParams({
        ...fields,
        ...pkce,
        response_type: 'code',
        scope: 'offline_access',
        resource: `${url}/api`,
      })
      const code = await codeFrom(`${url}/authorize?${query}`, redirectUri)
      return askToken(`${url}/token`, { grant_type: 'authorization_code', code, code_verifier: verifier, ...fields })
    },
    refresh: (refreshToken) =>
      askToken(`${url}/token`, { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId }),
    use: (accessToken) => isLetIn(`${url}/api`, accessToken),
    close,
  }
}

async function authorize(request, env) {
  const asked = await env.OAUTH_PROVIDER.parseAuthRequest(request)
  const granted = { request: asked, userId: crypto.randomUUID(), metadata: {}, scope: asked.scope, props: {} }
  const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization(granted)
  return Response.redirect(redirectTo, 302)
}

async function register(url) {
  const body = JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/register`, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(`${url}/register: ${response.status} ${await response.text()}`)
  return (await response.json()).client_id
}

/** What the library asks of a KV namespace; nothing runs out within a run. */
class MemoryKv {
  #values = new Map()

  async get(key, options) {
    const value = this.#values.get(key)
    const type = typeof options === 'string' ? options : options?.type
    return value !== undefined && type === 'json' ? JSON.parse(value) : (value ?? null)
  }

  async put(key, value) {
    this.#values.set(key, value)
  }

  async delete(key) {
    this.#values.delete(key)
  }

  async list({ prefix = '' } = {}) {
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix)).map((name) => ({ name }))
    return { keys, list_complete: true }
  }
}
