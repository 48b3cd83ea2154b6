// The token code of a single-page app; docs/browser-apps.md explains it. The refresh token is in an HttpOnly cookie that no script
// sees. The access token is in memory alone, so the first request after a reload begins with a refresh.
export const settings = { gateway: '' } // 'https://gateway.example' when the page does not come from the gateway itself

let access // { token, goodUntil } while somebody is signed in
let refreshing // the refresh that is under way

async function post(path, body) {
  const json = { 'content-type': 'application/json' }
  const sent = { method: 'POST', credentials: 'include', ...(body && { headers: json, body: JSON.stringify(body) }) }
  const response = await fetch(settings.gateway + path, sent)
  const received = response.status === 204 ? {} : await response.json()
  if (!response.ok) throw Object.assign(new Error(received.title), received)
  if (received.warning) console.warn(received.warning)
  return received
}

function keep({ access_token, expires_in }) {
  access = { token: access_token, goodUntil: Date.now() + (expires_in - 10) * 1000 }
}

function refresh() {
  refreshing ??= post('/auth/token', { grant_type: 'refresh_token' })
    .then(keep)
    .finally(() => (refreshing = undefined))
  return refreshing // requests that come meanwhile share it
}

export async function signIn(username, password) {
  await refreshing?.catch(() => {}) // its cookie must not arrive after the new one
  keep(await post('/auth/login', { username, password }))
}

export async function signOut() {
  await refreshing?.catch(() => {})
  access = undefined
  await post('/auth/logout')
}

/** Like fetch, with the access token. Throws an error with `code: 'invalid_grant'` or `'invalid_request'`: ask for the password. */
export async function request(path, options = {}) {
  const send = () => {
    const headers = { ...options.headers, authorization: `Bearer ${access.token}` }
    return fetch(settings.gateway + path, { ...options, headers })
  }
  if (!access || Date.now() >= access.goodUntil) await refresh()
  const response = await send()
  if (response.status !== 401) return response
  await refresh() // the token ran out by the gateway's clock, or the session has ended: then this throws
  return send()
}
