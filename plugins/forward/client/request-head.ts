// The text of a request on its way to a service: its request line, its fields, and the framing of its body (RFC 9112 sections
// 3 and 6). Pure.

import { CallFailure, type OutgoingRequest } from './call.ts'
import { isFieldValue } from './response-head.ts'

// RFC 9110 section 8.6: a user agent SHOULD send a length with these even where there is no body.
const expectsBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/**
 * The head of a request, to its blank line.
 * @throws CallFailure `unsendable` when something in it is no byte of a line: one message must not become two. Names come from
 * Node's parser and from the gateway itself
 */
export function requestHead(request: OutgoingRequest): string {
  const { method, path, fields } = request
  if (!/^\/[\x21-\x7e\x80-\xff]*$/.test(path)) throw new CallFailure('unsendable', 'target')
  let head = `${method} ${path} HTTP/1.1\r\n`
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] ?? ''
    if (!isFieldValue(value)) throw new CallFailure('unsendable', 'field_value')
    head += `${fields[i]}: ${value}\r\n`
  }
  return `${head}${framing(request)}\r\n`
}

function framing({ method, body, bodyBytes }: OutgoingRequest): string {
  if (body === null) return expectsBody.has(method) ? 'content-length: 0\r\n' : ''
  if (Buffer.isBuffer(body)) return `content-length: ${body.length}\r\n`
  return bodyBytes === -1 ? 'transfer-encoding: chunked\r\n' : `content-length: ${bodyBytes}\r\n`
}
