// @openauthjs/openauth with its memory storage and a provider of the lab that signs everybody in. A superseded token gets its
// successor within `ttl.reuse`; kept for `ttl.retention` beyond that, it tells of a theft. An access token is checked by its own client, with the keys.
import { issuer } from '@openauthjs/openauth'
import { createClient } from '@openauthjs/openauth/client'
import { MemoryStorage } from '@openauthjs/openauth/storage/memory'
import { createSubjects } from '@openauthjs/openauth/subject'
import { askToken, codeFrom, listenerOf, serve, versionOf } from './server.js'

const windowMs = 2000
const clientId = 'lab'
const redirectUri = 'http://localhost/callback'
// A schema of the Standard Schema form that takes anything.
const anything = { '~standard': { version: 1, vendor: 'lab', validate: (value) => ({ value }) } }

/** @returns {Promise<import('../product.ts').Product>} */
export async function start() {
  let people = 0
  const subjects = createSubjects({ user: anything })
  const app = issuer({
    subjects,
    storage: MemoryStorage(),
    ttl: { reuse: windowMs / 1000, retention: 3600 },
    providers: {
      lab: {
        type: 'lab',
        init: (routes, context) => routes.get('/authorize', (c) => context.success(c, { name: `person ${++people}` })),
      },
    },
    success: (context, { name }) => context.subject('user', { name }),
  })
  const { url, close } = await serve(listenerOf((request) => app.fetch(request)))
  const fields = { client_id: clientId, redirect_uri: redirectUri }
  const client = createClient({ clientID: clientId, issuer: url })
  return {
    name: versionOf('@openauthjs/openauth'),
    windowMs,
    signIn: async () => {
      const query = new URLSearchParams({ ...fields, response_type: 'code' })
      const code = await codeFrom(`${url}/authorize?${query}`, redirectUri)
      return askToken(`${url}/token`, { grant_type: 'authorization_code', code, ...fields })
    },
    refresh: (refreshToken) => askToken(`${url}/token`, { grant_type: 'refresh_token', refresh_token: refreshToken }),
    use: async (accessToken) => !(await client.verify(subjects, accessToken)).err,
    close,
  }
}
