// Interim responses, which come before a response, and trailers, which come behind it. Both are passed on only to a client that
// can tell them from the response itself, and neither can say what the gateway says.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ResponseHead } from '../client/response-head.ts'
import type { CompiledRoute } from '../route/compile.ts'
import { checkResponseField, hasMember } from './names.ts'
import { interimFields } from './response-fields.ts'

interface Receiver {
  request: IncomingMessage
  response: ServerResponse
}

/**
 * Passes an interim response on. RFC 9110 section 15.2: a proxy MUST forward 1xx responses, unless it asked for them itself, as
 * for 100, which clients that wait for it get from the gateway.
 */
export function passInterimOn(head: ResponseHead, { request, response }: Receiver, route: CompiledRoute): void {
  const { statusCode, reason } = head
  const { socket } = response
  // To HTTP/1.0 it would be the response; behind another response of the same connection it would come too late.
  if (statusCode === 100 || request.httpVersionMinor === 0 || socket === null) return
  const fields = interimFields(head, route)
  let text = `HTTP/1.1 ${statusCode} ${reason}\r\n`
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
  // Not by `writeEarlyHints`, which takes one form of links only: the connection is this response's, and nothing of it is written.
  socket.write(`${text}\r\n`, 'latin1')
}

/** Whether a client takes trailers (RFC 9110 section 6.5.1). */
export function takesTrailers({ headers, httpVersionMinor }: IncomingMessage): boolean {
  const { te } = headers
  return typeof te === 'string' && httpVersionMinor !== 0 && hasMember(te, 'trailers')
}

/**
 * Adds the trailers of a response that goes out in chunks.
 * @param trailers names in lower case and values in turn
 */
export function passTrailersOn(trailers: readonly string[], { request, response }: Receiver): void {
  if (!takesTrailers(request) || !response.chunkedEncoding) return
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < trailers.length; i += 2) {
    const name = trailers[i] ?? ''
    if (!isPartOfHead(name)) pairs.push([name, trailers[i + 1] ?? ''])
  }
  if (pairs.length > 0) response.addTrailers(pairs)
}

// RFC 9110 section 6.5.1: fields for framing, routing, authentication, control and content are no trailers.
const ofHead =
  /^(?:access-control-|authorization$|cache-control$|clear-site-data$|content-|date$|expires$|host$|location$|set-cookie|strict-transport-security$|vary$|via$|www-authenticate$|x-auth-|x-forwarded)/

function isPartOfHead(name: string): boolean {
  return checkResponseField(name) !== 'pass' || ofHead.test(name)
}
