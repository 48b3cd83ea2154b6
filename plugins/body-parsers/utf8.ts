// The text of a request body: strict UTF-8, or a refusal. Shared by the JSON and the form parser. It must never replace bytes
// it cannot read: two different bodies would become one.
import type { FastifyRequest } from 'fastify'
import { problem } from '../errors/index.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const charsetParameter = /;\s*charset\s*=\s*"?([^";\s]*)/i

/**
 * Decodes a body.
 * @param request whose `Content-Type` may name a charset; only UTF-8 is known
 * @throws Problem `unsupported_media_type` for another charset, `invalid_request` for bytes that are not UTF-8
 */
export function bodyText(request: FastifyRequest, body: Buffer): string {
  const charset = charsetParameter.exec(request.headers['content-type'] ?? '')?.[1]?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw problem('unsupported_media_type', { detail: 'charset' })
  }
  try {
    return decoder.decode(body)
  } catch (cause) {
    throw problem('invalid_request', { detail: 'body_not_utf8', cause })
  }
}
