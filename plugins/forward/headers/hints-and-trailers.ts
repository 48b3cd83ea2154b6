// Early hints, which come before a response, and trailers, which come behind it. Both are passed on only to a client that can
// tell them from the response itself, and neither can say what the gateway says.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { fieldValues, type ResponseHead } from '../client/response-head.ts'
import { checkResponseField, hasMember } from './names.ts'

interface Receiver {
  request: IncomingMessage
  response: ServerResponse
}

/**
 * Passes the links of early hints on (RFC 8297). RFC 9110 section 15.2: a proxy MUST forward 1xx answers, unless it asked for
 * them itself; others than hints say nothing beyond the connection that they came on.
 */
export function passHintsOn({ statusCode, fields }: ResponseHead, { request, response }: Receiver): void {
  // To HTTP/1.0 it would be the response; behind another response of the same connection it would come too late.
  if (statusCode !== 103 || request.httpVersionMinor === 0 || response.socket === null) return
  const link = fieldValues(fields, 'link')
  if (link.length === 0) return
  try {
    response.writeEarlyHints({ link })
  } catch {
    // Node sends none that is not a link; the response itself follows.
  }
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
