// The head of a service's answer, handed to Node. Called by exchange.ts, once an answer.
import type { ExchangeOptions } from './exchange-options.ts'
import { answerFields } from './headers.ts'

/** Header fields as undici gives them: names in lower case. */
export type ReceivedFields = Record<string, string | string[] | undefined>

/**
 * Writes the head of an answer.
 * @param leavesBodyUnread whether the client's body was not read to its end
 * @returns what is wrong with it, if it cannot be sent
 */
export function writeAnswerHead(
  { response, upstreams, route, requestId, access, allowOrigin, limitFields }: ExchangeOptions,
  statusCode: number,
  headers: ReceivedFields,
  leavesBodyUnread: boolean,
): string | undefined {
  const authenticated = access !== null
  const fields = answerFields(headers, { route, statusCode, requestId, authenticated, allowOrigin })
  if (limitFields !== null) fields.push(...limitFields)
  // RFC 9112 section 9.6: who will not read the rest of a request says that the connection ends.
  if (upstreams.closing || leavesBodyUnread) fields.push('connection', 'close')
  // Fields that hooks have set are of the gateway's own answers.
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
export function shortBytesOf(headers: ReceivedFields): number {
  const bytes = Number(headers['content-length'] ?? 0)
  return bytes > 0 && bytes <= shortBytes ? bytes : -1
}
