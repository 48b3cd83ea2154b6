// The operator who is signed in on this page, and their tokens: in memory only, the access token replaced before it expires
// by one request however many ask at once. There is no cookie: a browser would send it for every page of this origin, those
// of services too, and the token of this page opens more than theirs. So a reload asks for the password again. Nothing here
// is ever written to storage.
import { observable } from './observable.js'

/**
 * @typedef {{ state: 'signed-out', note?: string } | SignedIn} Operator
 * @typedef {{ state: 'signed-in', sub: string, sid: string }} SignedIn
 * @typedef {{ access_token: string, refresh_token: string, expires_in: number, session_id: string }} TokenResponse
 * @typedef {{ resolve: () => void, reject: (error: Error) => void }} PasswordRequest
 */

/** Whom the tokens of this page are for: the administration of the gateway, and no service. */
const resource = 'urn:cardea:admin'
/** A token is replaced when this much of its life is left, in ms. */
const replaceAheadMs = 30_000
const retryDelayMs = 5000

const roleMissing = 'This user is no operator: the role admin or operator is missing.'
const notReached = 'The gateway could not be reached. Try again.'
const sessionOver = 'Your session has ended. Sign in again.'
const passwordKept = 'Nothing was changed: the password was not given.'

/** @type {import('./observable.js').Observable<Operator>} */
export const operator = observable(/** @type {Operator} */ ({ state: 'signed-out' }))

/** Whether something waits for the operator to give the password again. */
export const passwordAsked = observable(/** @type {PasswordRequest | undefined} */ (undefined))

/** @type {{ token: string, refreshToken: string, expiresAtMs: number } | undefined} */
let tokens
/** @type {Promise<void> | undefined} */
let refreshing
/** @type {Promise<void> | undefined} */
let confirming
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

/**
 * Signs in. On success `operator` changes, and a session of this page that there was before ends.
 * @param {string} username
 * @param {string} password
 * @returns {Promise<string | undefined>} what is wrong, in a sentence; undefined when signed in
 */
export async function signIn(username, password) {
  const response = await post('login', { username, password, delivery: 'body', resource }).catch(() => undefined)
  if (!response) return notReached
  const body = await response.json().catch(() => ({}))
  if (!response.ok) return problemOf(response, body)
  const before = tokens?.refreshToken
  const isOperator = await take(body)
  if (before !== undefined) await endSessionOf(before)
  return isOperator ? undefined : roleMissing
}

/** Signs out: the session ends at the gateway, and nothing of it stays here. */
export async function signOut() {
  const before = tokens?.refreshToken
  signedOut()
  if (before !== undefined) await endSessionOf(before)
}

/**
 * Has the operator give the password again, as what changes something demands; however many ask, once.
 * @returns {Promise<void>} rejects when they would not
 */
export function confirmOperator() {
  confirming ??= new Promise((resolve, reject) => passwordAsked.set({ resolve: () => resolve(undefined), reject }))
    .then(() => undefined)
    .finally(() => {
      confirming = undefined
      passwordAsked.set(undefined)
    })
  return confirming
}

/**
 * The password for `confirmOperator`.
 * @param {string} password
 * @returns {Promise<string | undefined>} what is wrong, in a sentence; undefined when it was right
 */
export async function givePassword(password) {
  const own = operator.get()
  if (own.state !== 'signed-in') return sessionOver
  const problem = await signIn(own.sub, password)
  if (problem === undefined) passwordAsked.get()?.resolve()
  return problem
}

/** The operator would rather not. */
export function keepPassword() {
  passwordAsked.get()?.reject(new Error(passwordKept))
}

/**
 * The access token to send, replaced first if it is about to expire.
 * @returns {Promise<string>}
 * @throws {Error} when nobody is signed in any more, or the gateway cannot be reached
 */
export async function accessToken() {
  if (tokens && tokens.expiresAtMs - Date.now() < replaceAheadMs / 3) await refresh()
  if (!tokens) throw new Error(sessionOver)
  return tokens.token
}

/**
 * Replaces the access token: one request at a time.
 * @param {string} [refused] the token that was refused; nothing is done if it is not the newest any more
 */
export function refresh(refused) {
  if (refused !== undefined && tokens && tokens.token !== refused) return Promise.resolve()
  refreshing ??= exchange().finally(() => {
    refreshing = undefined
  })
  return refreshing
}

async function exchange() {
  const presented = tokens?.refreshToken
  if (presented === undefined) return
  const response = await post('token', { grant_type: 'refresh_token', refresh_token: presented, resource })
  // Somebody has signed in or out meanwhile: this response is about a session that is no more.
  if (tokens?.refreshToken !== presented) return
  if (response.ok) {
    await take(await response.json())
  } else if (response.status < 500 && response.status !== 429) {
    signedOut(sessionOver)
  } else {
    throw new Error(`The gateway answered ${response.status}.`)
  }
}

/** @param {TokenResponse} response @returns {Promise<boolean>} whether it is an operator's */
async function take({ access_token, refresh_token, expires_in, session_id }) {
  const { sub, roles } = claimsOf(access_token)
  if (!roles.includes('admin') && !roles.includes('operator')) {
    signedOut(roleMissing)
    await endSessionOf(refresh_token)
    return false
  }
  tokens = { token: access_token, refreshToken: refresh_token, expiresAtMs: Date.now() + expires_in * 1000 }
  replaceLater(Math.max(expires_in * 1000 - replaceAheadMs, (expires_in * 1000) / 2))
  const before = operator.get()
  if (before.state !== 'signed-in' || before.sid !== session_id) {
    operator.set({ state: 'signed-in', sub, sid: session_id })
  }
  return true
}

/** @param {string} refreshToken */
async function endSessionOf(refreshToken) {
  await post('logout', { refresh_token: refreshToken }).catch(() => undefined)
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
  tokens = undefined
  clearTimeout(timer)
  passwordAsked.get()?.reject(new Error(note ?? passwordKept))
  operator.set(note === undefined ? { state: 'signed-out' } : { state: 'signed-out', note })
}

/**
 * Asks the gateway, without the cookies of whoever else is signed in at this origin.
 * @param {string} verb
 * @param {object} body
 */
function post(verb, body) {
  const headers = { 'content-type': 'application/json' }
  return fetch(`../auth/${verb}`, { method: 'POST', credentials: 'omit', headers, body: JSON.stringify(body) })
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
 * @param {Response} response
 * @param {{ title?: string }} problem
 */
function problemOf(response, problem) {
  const wait = response.headers.get('retry-after')
  return `${problem.title ?? `The gateway answered ${response.status}.`}${wait ? ` Wait ${wait} s.` : ''}`
}
