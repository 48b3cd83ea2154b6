// What the adapters of products written in JavaScript share: a server on a free port for a handler of web requests, and the
// token endpoint of RFC 6749.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'

/**
 * Serves on 127.0.0.1, on a free port.
 * @param {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => unknown} listener
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export function serve(listener) {
  const server = createServer(listener)
  const { promise, resolve } = Promise.withResolvers()
  server.listen(0, '127.0.0.1', () => {
    const close = () =>
      new Promise((done) => {
        server.close(() => done(undefined))
        server.closeAllConnections()
      })
    resolve({ url: `http://127.0.0.1:${server.address().port}`, close })
  })
  return promise
}

/**
 * A listener for a handler that takes a web Request and returns a web Response.
 * @param {(request: Request) => Response | Promise<Response>} handler
 */
export function listenerOf(handler) {
  return async (incoming, outgoing) => {
    const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD'
    const response = await handler(
      new Request(`http://${incoming.headers.host}${incoming.url}`, {
        method: incoming.method,
        headers: Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
        ...(hasBody && { body: Readable.toWeb(incoming), duplex: 'half' }),
      }),
    )
    outgoing.statusCode = response.status
    for (const [name, value] of response.headers) outgoing.appendHeader(name, value)
    outgoing.end(Buffer.from(await response.arrayBuffer()))
  }
}

/**
 * Asks a token endpoint (RFC 6749 section 3.2).
 * @param {Record<string, string>} fields of the form
 * @returns {Promise<import('../product.ts').TokenPair | undefined>} undefined when it refuses the grant
 * @throws Error when it fails otherwise: a mistake of the lab must not look like a refusal
 */
export async function askToken(url, fields) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) })
  const text = await response.text()
  if (!response.ok) {
    if (text.includes('"invalid_grant"')) return undefined
    throw new Error(`${url}: ${response.status} ${text}`)
  }
  const { access_token: accessToken, refresh_token: refreshToken } = JSON.parse(text)
  if (!accessToken || !refreshToken) throw new Error(`${url}: no pair of tokens in ${text}`)
  return { accessToken, refreshToken }
}

/** Whether a resource lets an access token in. */
export async function isLetIn(url, accessToken) {
  return (await fetch(url, { headers: { authorization: `Bearer ${accessToken}` } })).ok
}

/** Follows redirects with the cookies they set, until one leads to `redirectUri`. @returns {Promise<string>} its code */
export async function codeFrom(url, redirectUri, cookies = new Map()) {
  for (let next = url, hops = 0; hops < 8; hops += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(next, { redirect: 'manual', headers: { ...(cookie && { cookie }) } })
    keepCookies(cookies, response)
    const location = response.headers.get('location')
    if (!location) throw new Error(`${next}: ${response.status} ${await response.text()}`)
    next = new URL(location, next).href
    if (!next.startsWith(redirectUri)) continue
    const code = new URL(next).searchParams.get('code')
    if (!code) throw new Error(`no code in ${next}`)
    return code
  }
  throw new Error(`${url} redirects for ever`)
}

/** @param {Map<string, string>} cookies takes what the response sets */
export function keepCookies(cookies, response) {
  for (const field of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? []
    cookies.set(name, value)
  }
}

/** The name and version of an installed package. */
export function versionOf(name) {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return `${name} ${JSON.parse(readFileSync(file, 'utf8')).version}`
}
