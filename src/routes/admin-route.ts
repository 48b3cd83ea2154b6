// What the routes under /admin have in common: options, the frame of their schemas, and what they refuse with. Imported by
// `admin.ts` and the files it registers.
import type { ErrorCode } from '../../plugins/errors.ts'

export interface AdminOptions {
  bodyLimitBytes: number
}

/** What every route here is. */
export const adminSchema = { tags: ['admin'], security: [{ bearer: [] }] }

/** What every route here can refuse with. */
export const adminRefusals = [
  'invalid_request',
  'unauthenticated',
  'invalid_token',
  'forbidden',
  'revocation_unknown',
  'store_unavailable',
] as const satisfies ErrorCode[]

/** What a DELETE can refuse with besides: a body means nothing there, but one that comes is read first. */
export const deleteRefusals = [...adminRefusals, 'unsupported_media_type', 'body_too_large'] as const
