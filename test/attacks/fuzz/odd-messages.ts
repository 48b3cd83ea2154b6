// Messages that a client might send, from honest to senseless: what the fuzzer's connections are made of. The same random numbers
// make the same bytes.
import type { Random } from '../../../simulator/random.ts'
import { rudeBehaviours } from './rude-service.ts'

/** Who speaks: an access token, for some of the requests. */
export interface Speaker {
  random: Random
  token: string
}

/** One of a list. */
export function oneOf<T>({ between }: Random, list: readonly [T, ...T[]] | readonly T[]): T {
  const found = list[Math.floor(between(0, list.length))]
  if (found === undefined) throw new Error('nothing to choose from')
  return found
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const oddMethods = [
  ...['CONNECT', 'CONNECT', 'CONNECT', 'TRACE', 'PRI', 'SOURCE', 'M-SEARCH', 'PROPFIND', 'QUERY', 'get', 'G\0T', ''],
  ...['ANNOUNCE', 'DESCRIBE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN', 'RECORD', 'GET_PARAMETER', 'FLUSH'],
]
const ownTargets = [
  ...['/', '/livez', '/readyz', '/metrics', '/docs/', '/docs/json', '/docs/static/swagger-ui-bundle.js'],
  ...['/ops', '/ops/', '/ops/main.js', '/ops/modules/uplot.js', '/ops/nowhere.js', '/.well-known/jwks.json'],
  ...['/auth/token', '/auth/login', '/auth/verify', '/auth/sessions', '/auth/password', '/auth/logout'],
  ...['/admin/users', '/admin/sessions', '/admin/events', '/admin/events/stream', '/admin/overview', '/nowhere'],
]
const oddTargets = [
  ...['*', 'any:80', 'http://g/x/ok', 'http://g', '//', '/x/../y', '/x/%2e%2e/y', '/x/%zz', '/x/ok;a', '/x//ok', '\\'],
  ...['/x/é', '/x/ok?\x7f', '/x/ok#a', '', `/x/${'a'.repeat(9000)}`, `/x/ok?${'b'.repeat(20_000)}`],
]
const versions = [...Array(30).fill('HTTP/1.1'), 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9']
const oddVersions = ['RTSP/1.0', 'RTSP/1.1', 'ICE/1.0', 'HTTP/3', 'HTTP/1.1 ', 'http/1.1', '', 'SIP/2.0']
const lines = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\n ']
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
const oddFields = [
  ...['Connection: close', 'Connection: keep-alive', 'Connection: Upgrade', 'Connection: x-auth-subject, host'],
  ...['Upgrade: h2c', 'Upgrade: websocket', 'Upgrade: h2c, websocket', 'HTTP2-Settings: AAMAAABkAARAAAAA', key],
  ...[
    'Expect: 100-continue',
    'Expect: 100-continue',
    'Expect: nothing',
    'TE: trailers',
    'Trailer: x',
    'Range: bytes=0-1',
  ],
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: identity'],
  ...[
    'Content-Length: 0',
    'Content-Length: 5',
    'Content-Length: 5, 5',
    'Content-Length: -1',
    'Content-Length: 99999999',
  ],
  ...['Content-Type: application/json', 'Content-Type: application/x-www-form-urlencoded', 'Content-Type: garbage'],
  ...['X-Forwarded-For: 203.0.113.7:40001', 'X-Forwarded-For: ,,', 'X-Auth-Roles: admin', 'X_Auth_Roles: admin'],
  ...[
    'Cookie: a=b',
    'Cookie: __Host-cardea_refresh=garbage',
    'Cookie: =;;;',
    'Origin: https://evil.test',
    'Origin: null',
  ],
  ...['If-None-Match: *', 'If-Modified-Since: yesterday', 'Accept-Encoding: gzip', 'traceparent: 00-0-0-00', 'Host: g'],
  ...[
    ' folded: yes',
    ': nameless',
    'blank : name',
    'nul\0: x',
    `Long: ${'l'.repeat(17_000)}`,
    'Authorization: Bearer x',
  ],
]
const bodies = [
  ...['', 'hello', '{}', '{"username":"admin","password":"wrong"}', '{"__proto__":1}', '[', '\0'.repeat(100)],
  ...[
    'grant_type=refresh_token&refresh_token=x',
    'a=b&a=c',
    'x'.repeat(70_000),
    'GET /x/ok HTTP/1.1\r\nHost: g\r\n\r\n',
  ],
]

/** Bytes of one message, as latin1. */
export function oddMessage(speaker: Speaker): string {
  const { random } = speaker
  if (random.chance(0.03)) return garbage(random)
  if (random.chance(0.12)) return handshake(speaker)
  const method = random.chance(0.15) ? oneOf(random, oddMethods) : oneOf(random, methods)
  const target = targetOf(random)
  const version = random.chance(0.04) ? oneOf(random, oddVersions) : oneOf(random, versions)
  const fields = fieldsOf(speaker, target)
  const body = random.chance(0.5) || method === 'POST' ? oneOf(random, bodies) : ''
  const framed = inFrame(random, body, fields)
  const line = random.chance(0.02) ? oneOf(random, lines) : '\r\n'
  return bent(random, `${method} ${target} ${version}${line}${fields.join(line)}${line}${line}${framed}`)
}

function targetOf(random: Random): string {
  if (random.chance(0.1)) return oneOf(random, oddTargets)
  if (random.chance(0.35)) return oneOf(random, ownTargets)
  const prefix = random.chance(0.7) ? '/x' : '/private'
  return `${prefix}/${oneOf(random, rudeBehaviours)}${random.chance(0.2) ? '?q=1' : ''}`
}

function fieldsOf({ random, token }: Speaker, target: string): string[] {
  const fields = random.chance(0.97) ? ['Host: 127.0.0.1'] : []
  // The speaker's own session is not to end.
  const mayEnd = target.includes('log') || target.includes('pass') || target.includes('sessions')
  if (!mayEnd && random.chance(0.5)) fields.push(`Authorization: Bearer ${token}`)
  for (let i = random.between(0, 5); i > 2; i -= 1) fields.push(oneOf(random, oddFields))
  return fields
}

// Mostly as it should be: what is refused at once reaches little.
function inFrame(random: Random, body: string, fields: string[]): string {
  if (body === '' || random.chance(0.1)) return body
  if (random.chance(0.6)) {
    fields.push(`Content-Length: ${body.length}`)
    return body
  }
  fields.push('Transfer-Encoding: chunked')
  const trailers = random.chance(0.1) ? 'End: yes\r\n' : ''
  const extension = random.chance(0.05) ? `;a=${'b'.repeat(20_000)}` : ''
  return `${body.length.toString(16)}${extension}\r\n${body}\r\n0\r\n${trailers}\r\n`
}

function handshake({ random, token }: Speaker): string {
  const target = random.chance(0.8) ? `/x/${oneOf(random, rudeBehaviours)}` : targetOf(random)
  const fields = ['Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', key]
  if (random.chance(0.3)) fields.push(`Sec-WebSocket-Protocol: chat, bearer, ${token}`)
  if (random.chance(0.1)) fields.push(oneOf(random, oddFields))
  const behind = random.chance(0.4) ? '\x81\x05hello'.repeat(Math.ceil(random.between(1, 100))) : ''
  return bent(random, `GET ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${behind}`)
}

// Some bytes are others, more, less, or twice.
function bent(random: Random, text: string): string {
  if (random.chance(0.8)) return text
  const at = Math.floor(random.between(0, text.length))
  const to = Math.floor(at + random.between(0, 12))
  const other = String.fromCharCode(Math.floor(random.between(0, 256)))
  const middle = oneOf(random, ['', other, other.repeat(20), text.slice(at, to).repeat(2)])
  return text.slice(0, at) + middle + text.slice(to)
}

function garbage(random: Random): string {
  const tls = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  const bytes = Array.from({ length: 200 }, () => String.fromCharCode(random.between(0, 256))).join('')
  return oneOf(random, [tls + bytes, preface + bytes, bytes, '\r\n'.repeat(500), '\0', ' ', '{"json": "not here"}\n'])
}
