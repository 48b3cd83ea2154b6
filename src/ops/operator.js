// Who is signed in on this page, and their access token: in memory only, replaced before it expires by one request however
// many ask at once. The refresh token is in a cookie that no script can read. Nothing here is ever written to storage but
// that somebody had signed in.
import { observable } from './observable.js'

/**
 * @typedef {{ state: 'unknown' } | { state: 'signed-out', note?: string } | SignedIn} Operator
 * @typedef {{ state: 'signed-in', sub: string, sid: string }} SignedIn
 * @typedef {{ access_token: string, expires_in: number, session_id: string }} TokenResponse
 */

/** A token is replaced when this much of its life is left, in ms. */
const replaceAheadMs = 30_000
const retryDelayMs = 5000
const hintName = 'cardea.signed-in'

const roleMissing = 'This user is no operator: the role admin is missing.'
const notReached = 'The gateway could not be reached. Try again.'
const sessionOver = 'Your session has ended. Sign in again.'

/** @type {import('./observable.js').Observable<Operator>} */
export const operator = observable(/** @type {Operator} */ ({ state: 'unknown' }))

/** @type {{ token: string, expiresAtMs: number } | undefined} */
let access
/** @type {Promise<void> | undefined} */
let refreshing
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

/** Goes on with the session of an earlier visit, where there is one. */
export async function resume() {
  // Asking without a cookie would only make an error; whether somebody had signed in here is no secret.
  if (localStorage.getItem(hintName) === null) return signedOut()
  await refresh().catch(() => undefined)
  // The cookie is as good as before: a reload asks again.
  if (operator.get().state === 'unknown') operator.set({ state: 'signed-out', note: notReached })
}

/**
 * Signs in. On success `operator` changes.
 * @param {string} username
 * @param {string} password
 * @returns {Promise<string | undefined>} what is wrong, in a sentence; undefined when signed in
 */
export async function signIn(username, password) {
  const answer = await post('login', { username, password, delivery: 'cookie' }).catch(() => undefined)
  if (!answer) return notReached
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) return refusalOf(answer, body)
  return (await take(body)) ? undefined : roleMissing
}

/** Signs out: the session ends at the gateway, and nothing of it stays here. */
export async function signOut() {
  signedOut()
  await post('logout').catch(() => undefined)
}

/**
 * The access token to send, replaced first if it is about to expire.
 * @returns {Promise<string>}
 * @throws {Error} when nobody is signed in any more, or the gateway cannot be reached
 */
export async function accessToken() {
  if (!access || access.expiresAtMs - Date.now() < replaceAheadMs / 3) await refresh()
  if (!access) throw new Error(sessionOver)
  return access.token
}

/**
 * Replaces the access token: one request at a time.
 * @param {string} [refused] the token that was refused; nothing is done if it is not the newest any more
 */
export function refresh(refused) {
  if (refused !== undefined && access && access.token !== refused) return Promise.resolve()
  refreshing ??= exchange().finally(() => {
    refreshing = undefined
  })
  return refreshing
}

async function exchange() {
  const answer = await post('token', { grant_type: 'refresh_token' })
  if (answer.ok) {
    await take(await answer.json())
  } else if (answer.status < 500 && answer.status !== 429) {
    signedOut(operator.get().state === 'signed-in' ? sessionOver : undefined)
  } else {
    throw new Error(`The gateway answered ${answer.status}.`)
  }
}

/** @param {TokenResponse} response @returns {Promise<boolean>} whether it is an operator's */
async function take({ access_token, expires_in, session_id }) {
  const { sub, roles } = claimsOf(access_token)
  if (!roles.includes('admin')) {
    signedOut(roleMissing)
    await post('logout').catch(() => undefined)
    return false
  }
  access = { token: access_token, expiresAtMs: Date.now() + expires_in * 1000 }
  replaceLater(Math.max(expires_in * 1000 - replaceAheadMs, (expires_in * 1000) / 2))
  localStorage.setItem(hintName, 'yes')
  const before = operator.get()
  if (before.state !== 'signed-in' || before.sid !== session_id) {
    operator.set({ state: 'signed-in', sub, sid: session_id })
  }
  return true
}

/** @param {number} delayMs */
function replaceLater(delayMs) {
  clearTimeout(timer)
  timer = setTimeout(() => {
    refresh().catch(() => replaceLater(retryDelayMs))
  }, delayMs)
}

/** @param {string} [note] why, for the operator */
function signedOut(note) {
  access = undefined
  clearTimeout(timer)
  localStorage.removeItem(hintName)
  operator.set(note === undefined ? { state: 'signed-out' } : { state: 'signed-out', note })
}

/**
 * Asks the gateway for its answer to a page of its own origin.
 * @param {string} verb
 * @param {object} [body]
 */
function post(verb, body) {
  return fetch(`../auth/${verb}`, {
    method: 'POST',
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
}

/**
 * What the page shows of a token: it decides nothing, the gateway checks every request itself.
 * @param {string} token
 * @returns {{ sub: string, roles: string[] }}
 */
function claimsOf(token) {
  const payload = token.split('.')[1] ?? ''
  const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  const claims = JSON.parse(new TextDecoder().decode(bytes))
  return { sub: String(claims.sub), roles: Array.isArray(claims.roles) ? claims.roles : [] }
}

/**
 * @param {Response} answer
 * @param {{ title?: string }} problem
 */
function refusalOf(answer, problem) {
  const wait = answer.headers.get('retry-after')
  return `${problem.title ?? `The gateway answered ${answer.status}.`}${wait ? ` Wait ${wait} s.` : ''}`
}
