// What can go wrong between the gateway and a service, read from undici's errors and from the head of an answer. Called by
// exchange.ts. It decides what a client is told and whether a request may be sent again, and does neither itself.
import type { ErrorCode } from '../errors.ts'
import type { Upload } from './upload.ts'

// RFC 9112 section 9.3.1: a kept connection may be closed by the service just as the next request is on its way. A request that
// asks for no change and has no body is then sent once more; a proxy MUST NOT do so for others (RFC 9110 section 9.2.2).
export const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** RFC 9110 section 9.2.2. */
const idempotentMethods: ReadonlySet<string> = new Set([...safeMethods, 'PUT', 'DELETE'])

/** Whether the service closed the connection before it answered. */
export function isClosedByService(error: Error): boolean {
  const name = codeNameOf(error)
  if (name === 'ECONNRESET' || name === 'EPIPE') return true
  return name === 'UND_ERR_SOCKET' && error.message === 'other side closed'
}

/**
 * Whether a request may be sent to another instance: only what is idempotent, while nothing of it has left or its body is still
 * all here; what may have been carried out, only if it asks for no change.
 * @param isUnsent there was no connection
 * @param upload the body, where there is one
 */
export function maySendElsewhere(error: Error, method: string, isUnsent: boolean, upload: Upload | undefined): boolean {
  if (isUnsent) return idempotentMethods.has(method) && upload?.isUntouched !== false
  return isClosedByService(error) && upload === undefined && safeMethods.has(method)
}

/**
 * What is wrong with the head of an answer. RFC 9112 section 6.1: a coding we did not ask for and do not undo would reach
 * the client as a body of unknown framing.
 * @returns a word for the log; undefined when the head is in order
 */
export function answerFault(
  statusCode: number,
  headers: Record<string, string | string[] | undefined>,
): string | undefined {
  if (statusCode > 599) return 'upstream_status'
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked') return 'upstream_transfer_encoding'
  return headers['content-length'] === undefined ? undefined : 'upstream_framing'
}

/**
 * Whether an answer is whole though undici misses something. RFC 9110 section 8.6: a 304 MAY say the length that a 200 would
 * have; undici waits for that many bytes and finds none.
 */
export function isWholeWithoutBody(statusCode: number, error: Error): boolean {
  return statusCode === 304 && codeNameOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}

function codeNameOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** The row of the error table that an error of undici's is. */
export function codeOf(error: Error): ErrorCode {
  const name = codeNameOf(error)
  if (name.startsWith('HPE_') || badAnswerNames.has(name)) return 'upstream_bad_response'
  // The request could not be written as it is: a field that Node takes and undici does not.
  if (name === 'UND_ERR_INVALID_ARG' || name === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'invalid_request'
  if (name === 'UND_ERR_SOCKET' && error.message.startsWith('bad ')) return 'upstream_bad_response'
  return 'upstream_unreachable'
}

const badAnswerNames: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'HTTPParserError',
  'ERR_ASSERTION',
])

/** The same for the log. */
export function reasonOf(error: Error): string {
  return `upstream_error ${codeNameOf(error)}`
}
