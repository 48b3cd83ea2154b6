// The questions of the page to the gateway: one function a question, all with the operator's access token. A refused token is
// replaced once and the question asked again; where a sign-in that is more recent is demanded, the operator gives the
// password first. Paths are relative to /ops/, so that a prefix in front of the gateway does not matter.
import { followGatewayClock } from './clock.js'
import { accessToken, confirmOperator, refresh } from './operator.js'

/** A response that is not what was asked for; `message` is a sentence for the operator. */
export class Refused extends Error {
  /**
   * @param {number} status 0 when the gateway could not be reached
   * @param {string} sentence
   */
  constructor(status, sentence) {
    super(sentence)
    this.status = status
  }
}

/** @returns {Promise<import('./wire.ts').OverviewView>} */
export const readOverview = () => read('overview')

/**
 * @param {'hour' | 'day'} window
 * @returns {Promise<import('./wire.ts').CountHistoryView>}
 */
export const readHistory = (window) => read('usage/history', { window })

/**
 * @param {Record<string, string | undefined>} filter `severity`, `before`, `limit`
 * @returns {Promise<import('./wire.ts').SignalPageView>}
 */
export const readSignals = (filter) => read('signals', filter)

/**
 * @param {Record<string, string | undefined>} filter `sid`, `sub`, `reason`, `before`, `limit`
 * @returns {Promise<import('./wire.ts').EventPageView>}
 */
export const readEvents = (filter) => read('events', filter)

/**
 * @param {string} sub
 * @returns {Promise<{ sessions: import('./wire.ts').AdminSessionView[] }>}
 */
export const readSessionsOf = (sub) => read('sessions', { sub })

/**
 * @param {string | undefined} after `next` of the page before
 * @param {number} limit
 * @returns {Promise<import('./pages.js').Page<import('./wire.ts').AdminSessionView>>}
 */
export async function readSessionPage(after, limit) {
  const { sessions, next } = await read('sessions', { after, limit: String(limit) })
  return { rows: sessions, next }
}

/**
 * @param {string} sid
 * @returns {Promise<import('./wire.ts').AdminSessionView>}
 */
export const readSession = (sid) => read(`sessions/${encodeURIComponent(sid)}`)

/**
 * @param {string} sid
 * @returns {Promise<import('./wire.ts').TimelineView>}
 */
export const readTimeline = (sid) => read(`sessions/${encodeURIComponent(sid)}/timeline`)

/** @param {string} sid */
export async function endSession(sid) {
  await ask(`sessions/${encodeURIComponent(sid)}`, { method: 'DELETE' })
}

/**
 * @param {string} sub
 * @returns {Promise<number>} how many were ended
 */
export async function endSessionsOf(sub) {
  const response = await ask(`subjects/${encodeURIComponent(sub)}/sessions`, { method: 'DELETE' })
  return (await response.json()).ended
}

/**
 * Opens the live stream.
 * @param {AbortSignal} signal ends it
 */
export function openEventStream(signal) {
  return ask('events/stream', { signal, headers: { accept: 'text/event-stream' } })
}

/**
 * @param {string} path below /admin/
 * @param {Record<string, string | undefined>} [query]
 */
async function read(path, query = {}) {
  const kept = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []))
  const search = new URLSearchParams(kept).toString()
  const response = await ask(search ? `${path}?${search}` : path)
  return response.json()
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} one that is ok
 * @throws {Refused}
 */
async function ask(path, options = {}) {
  const token = await tokenOrError()
  let response = await send(path, options, token)
  followGatewayClock(response.headers.get('date'))
  if (response.status === 401 && !isTooLongAgo(response)) {
    await refresh(token).catch(unreachable)
    response = await send(path, options, await tokenOrError())
  }
  if (isTooLongAgo(response)) {
    await confirmOperator().catch(refuseWith)
    response = await send(path, options, await tokenOrError())
  }
  return requireOk(response)
}

/**
 * Whether a more recent sign-in is demanded (RFC 9470 section 3).
 * @param {Response} response
 */
function isTooLongAgo(response) {
  return (response.headers.get('www-authenticate') ?? '').includes('error="insufficient_user_authentication"')
}

/** @param {Error} error @returns {never} */
function refuseWith(error) {
  throw new Refused(0, error.message)
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @param {string} token
 */
function send(path, options, token) {
  const headers = { accept: 'application/json', ...options.headers, authorization: `Bearer ${token}` }
  return fetch(`../admin/${path}`, { ...options, credentials: 'omit', headers }).catch((error) => {
    if (options.signal?.aborted) throw error
    return unreachable()
  })
}

function tokenOrError() {
  return accessToken().catch((error) => {
    throw new Refused(0, error instanceof TypeError ? notReached : error.message)
  })
}

const notReached = 'The gateway could not be reached.'

/** @returns {never} */
function unreachable() {
  throw new Refused(0, notReached)
}

/** @param {Response} response */
async function requireOk(response) {
  if (response.ok) return response
  const problem = await response.json().catch(() => ({}))
  throw new Refused(response.status, sentenceOf(response.status, problem))
}

/**
 * @param {number} status
 * @param {{ title?: string, errors?: { path?: string, message?: string }[] }} problem RFC 9457
 */
function sentenceOf(status, { title, errors = [] }) {
  const places = errors.map(({ path, message }) => `${path} ${message}`).join('; ')
  return `${title ?? `The gateway answered ${status}.`}${places ? ` (${places})` : ''}`
}
