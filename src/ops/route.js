// The place of the operator, as the fragment of the address: `#/sessions/<sid>`, `#/events?reason=reused`. Every view can be
// linked to, and the browser's own way back works. Nothing of it reaches a server.
import { observable } from './state/observable.js'

/**
 * @typedef {object} Route
 * @property {string[]} steps of the path, decoded: `['sessions', '<sid>']`; at least one
 * @property {Record<string, string>} query
 */

/**
 * Reads a fragment.
 * @param {string} hash with or without `#`
 * @returns {Route} the first view when there is none
 */
export function parseRoute(hash) {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2)
  const steps = path.split('/').filter(Boolean).map(decoded)
  return { steps: steps.length > 0 ? steps : ['now'], query: Object.fromEntries(new URLSearchParams(query)) }
}

/**
 * Writes a link to a view.
 * @param {string[]} steps not encoded
 * @param {Record<string, string | undefined>} [query] members without a value are left out
 */
export function linkTo(steps, query = {}) {
  const kept = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []))
  const search = new URLSearchParams(kept).toString()
  return `#/${steps.map(encodeURIComponent).join('/')}${search ? `?${search}` : ''}`
}

/** Where the operator is. */
export const route = observable(parseRoute(globalThis.location?.hash ?? ''))

/** Follows the address from now on. */
export function followAddress() {
  addEventListener('hashchange', () => route.set(parseRoute(location.hash)))
}

/**
 * Goes to a view.
 * @param {string} link as `linkTo` writes it
 */
export function go(link) {
  location.hash = link
}

/** @param {string} step may be no valid encoding: anybody can write an address */
function decoded(step) {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}
