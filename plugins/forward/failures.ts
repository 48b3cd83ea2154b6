// Failures between the gateway and a service, and what follows from each. It decides what a client is told and whether a
// request may be sent again, and does neither itself.
import type { ErrorCode } from '../errors/index.ts'
import type { CallFailure } from './client/call.ts'
import { idempotentMethods, safeMethods } from './route/methods.ts'
import type { Upload } from './upload.ts'

/**
 * Whether a request may be sent to another instance: only what is idempotent, while nothing of it has left or its body is still
 * all here; what may have been carried out, only if it asks for no change.
 * @param upload the body, where there is one
 */
export function maySendElsewhere({ kind }: CallFailure, method: string, upload: Upload | undefined): boolean {
  if (kind === 'unsent') return idempotentMethods.has(method) && upload?.isUntouched !== false
  return kind === 'closed' && upload === undefined && safeMethods.has(method)
}

/**
 * Whether a request may be sent once more to the same instance, whose connection said nothing to it (RFC 9112 section 9.3.1): what
 * asks for no change; what has the same effect when it is carried out twice, if the connection was a kept one, which the service may
 * have been closing just then; and whatever a service that gave up waiting has not read.
 * @param wasKept whether a request was on the connection before
 */
export function maySendAgain({ kind }: CallFailure, method: string, wasKept: boolean): boolean {
  if (kind === 'raced') return true
  return kind === 'closed' && (safeMethods.has(method) || (wasKept && idempotentMethods.has(method)))
}

/** The row of the error table that a failure is, before the response has begun. */
export function codeOf({ kind }: CallFailure): ErrorCode {
  if (kind === 'malformed') return 'upstream_bad_response'
  if (kind === 'lacking') return 'overloaded'
  return kind === 'unsendable' ? 'invalid_request' : 'upstream_unreachable'
}

/** The same for the log. */
export function detailOf({ word }: CallFailure): string {
  return `upstream_error ${word}`
}
