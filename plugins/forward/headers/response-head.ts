// The head of a service's response, handed to Node.
import { lingerAfterLast } from '../../http-edge/lingering-close.ts'
import { fieldValues, type ResponseHead } from '../client/response-head.ts'
import type { ExchangeOptions } from '../exchange-options.ts'
import { responseFields } from './forwarded.ts'

/**
 * Writes the head of a response.
 * @param leavesBodyUnread whether the client's body was not read to its end
 * @returns what is wrong with it, if it cannot be sent
 */
export function writeResponseHead(
  { request, response, upstreams, route, requestId, access, allowOrigin, limitFields }: ExchangeOptions,
  head: ResponseHead,
  leavesBodyUnread: boolean,
): string | undefined {
  const { statusCode } = head
  const authenticated = access !== null
  const byCookie = authenticated && request.headers.authorization === undefined
  const fields = responseFields(head, { route, statusCode, requestId, authenticated, byCookie, allowOrigin })
  if (limitFields !== null) fields.push(...limitFields)
  // RFC 9112 section 9.6: who will not read the rest of a request says that the connection ends.
  if (upstreams.closing || leavesBodyUnread) fields.push('connection', 'close')
  if (leavesBodyUnread) lingerAfterLast(request.socket)
  // Fields that hooks have set are of the gateway's own responses.
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  try {
    response.writeHead(statusCode, fields)
    return undefined
  } catch {
    return 'upstream_header_field'
  }
}

const shortBytes = 15_360

/**
 * The length of a body that is short enough to be held until it is whole.
 * @returns -1 for a longer one, an empty one, or one whose length nobody said
 */
export function shortBytesOf({ contentLength }: ResponseHead): number {
  return contentLength > 0 && contentLength <= shortBytes ? contentLength : -1
}

/** Whether what follows stays open for as long as its client listens. */
export function isEventStream({ fields }: ResponseHead): boolean {
  return /^text\/event-stream\s*(?:;|$)/i.test(fieldValues(fields, 'content-type')[0] ?? '')
}
