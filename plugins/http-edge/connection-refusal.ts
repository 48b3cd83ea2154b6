// Refusals where there is a connection but no request: what Node's parser and clocks could not take. It never writes on a
// connection where a response to an earlier request is still owed: the client would take ours for that one.
import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { peerOf, unknown } from '../clients/address.ts'
import { type ErrorCode, problemBody } from '../errors/index.ts'
import type { RefusalListener } from '../errors/refusals.ts'
import { errorTable } from '../errors/table.ts'
import { endLingering } from './lingering-close.ts'
import { openResponseOn } from './node-internals.ts'

/** What Node's parser and its clocks complain of. */
export interface ConnectionError extends Error {
  code?: string
  /** What was being parsed, and how far it was understood. */
  rawPacket?: unknown
  bytesParsed?: number
}

// Connections whose bytes can no longer be read as requests: the parser complains again for each part that still arrives.
const broken = new WeakSet<Socket>()

/** Who hears of a refusal. */
export interface ConnectionRefusalOptions {
  log: FastifyBaseLogger
  onRefused: RefusalListener
}

export interface RefusalOptions extends ConnectionRefusalOptions {
  /** Beyond it, an overflow is the target's. */
  targetBytes: number
  /** What lets a page of an origin read the refusal. */
  fieldsFor(origin: string | undefined): Record<string, string>
}

/**
 * Ends a connection that cannot be read any further, after the responses that are still owed on it.
 * @param error of Node's `clientError` event
 */
export function refuseConnection(error: ConnectionError, socket: Socket, options: RefusalOptions): void {
  if (broken.has(socket)) return
  broken.add(socket)
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
  else {
    const fields = options.fieldsFor(originOf(error, socket))
    refuseInTurn(socket, codeOf(error, options.targetBytes), { ...options, fields })
  }
}

// Requests that arrived whole keep their responses. When the broken bytes are the body of a request whose response has begun,
// nothing can be said any more.
function refuseInTurn(socket: Socket, code: ErrorCode, refusal: Refusing): void {
  const owed = openResponseOn(socket)
  if (owed === undefined || !(owed.headersSent || owed.req.complete)) writeToConnection(socket, code, refusal)
  else if (owed.req.complete) owed.once('finish', () => refuseInTurn(socket, code, refusal))
  else socket.destroy()
}

/**
 * Ends a connection whose client asks for a tunnel to somewhere (RFC 9110 section 9.3.6): there are none here. What comes behind
 * the request is the tunnel's, and is never read as a request.
 */
export function refuseTunnel(socket: Socket, options: ConnectionRefusalOptions): void {
  // One that was pipelined would come in between responses that are still owed, and Node keeps no time there any more.
  if (hasOpenResponse(socket)) socket.destroy()
  else writeToConnection(socket, 'method_not_implemented', { ...options, fields: {} })
}

/** Who hears of it, and more header fields. */
type Refusing = ConnectionRefusalOptions & { fields: Record<string, string> }

/**
 * Writes a problem on a bare connection and closes it.
 * @param code a row of the error table
 */
function writeToConnection(socket: Socket, code: ErrorCode, { log, onRefused, fields }: Refusing): void {
  if (!socket.writable) return
  const { status } = errorTable[code]
  const id = randomBytes(12).toString('base64url')
  const [clientAddress = unknown] = peerOf(socket)
  onRefused({ id, headers: {}, clientAddress, log: log.child({ reqId: id }) }, { code, statusCode: status })
  const body = JSON.stringify(problemBody(code, id))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
  ]
  endLingering(socket, `${head.join('\r\n')}\r\n\r\n${body}`)
}

/** Whether a request has arrived whole on a connection and its response is on the way. */
export function owesResponse(socket: Socket): boolean {
  return openResponseOn(socket)?.req.complete === true
}

/** Whether any response is still open on a connection, its request whole or not. */
export function hasOpenResponse(socket: Socket): boolean {
  return openResponseOn(socket) !== undefined
}

function codeOf(error: ConnectionError, targetBytes: number): ErrorCode {
  const request = brokenRequest(error)
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout'
    case 'HPE_HEADER_OVERFLOW':
      return (request.split('\n', 1)[0] ?? '').length > targetBytes ? 'target_too_long' : 'headers_too_large'
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'body_too_large'
    case 'HPE_INVALID_METHOD':
      // RFC 9110 section 9.1: 501 for a method nobody knows; what is not even a request line is malformed.
      return requestLine.test(request) ? 'method_not_implemented' : 'invalid_request'
    default:
      return 'invalid_request'
  }
}

// Where its fields could not be read, they are looked for in the packet: a browser sends Origin before what grows too large, its
// cookies. Of a request that comes in pieces it may not be there.
function originOf(error: ConnectionError, socket: Socket): string | undefined {
  const owed = openResponseOn(socket)
  if (owed !== undefined && !owed.req.complete) return owed.req.headers.origin
  return /\r\norigin:[ \t]*([^\s]+)[ \t]*\r\n/i.exec(brokenRequest(error))?.[1]
}

// The packet may begin with requests that were fine. The end of the broken one itself may be just behind what was understood.
function brokenRequest({ rawPacket, bytesParsed = 0 }: ConnectionError): string {
  const packet = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : ''
  const before = packet.lastIndexOf('\r\n\r\n', bytesParsed - 4)
  return before === -1 ? packet : packet.slice(before + 4)
}

const requestLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\s]+ HTTP\/1\.[01]\r\n/
