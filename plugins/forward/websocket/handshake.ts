// The form that a WebSocket handshake must have before it is forwarded, and the two places where it differs from other
// requests: browsers cannot send an Authorization field with it, and no page is kept from sending it by CORS. Pure but for
// the credential, which it moves to where every request has it.
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { problem } from '../../errors/index.ts'
import { hasMember } from '../headers/names.ts'

/** The subprotocol in front of an access token: `new WebSocket(url, ['chat', 'bearer', token])`. */
export const bearerProtocol = 'bearer'

/** The subprotocols a client offers, less its credential. */
export interface Offer {
  protocols: string[]
  /** Whether a credential stood among them: then some subprotocol must be answered, or browsers give up. */
  hadBearer: boolean
}

/**
 * Judges a handshake (RFC 6455 section 4.2.1) and takes the access token out of its subprotocols.
 * @param raw gets the token as its Authorization field
 * @throws Problem `invalid_request`
 */
export function checkHandshake(raw: IncomingMessage): Offer {
  const { headers } = raw
  const isWhole =
    /^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '') &&
    headers['sec-websocket-version'] === '13' &&
    hasMember(headers.connection ?? '', 'upgrade')
  if (!isWhole) throw malformed('handshake_malformed')
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    throw malformed('handshake_with_body')
  }
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  const at = offered.indexOf(bearerProtocol)
  if (at === -1) return { protocols: offered.filter((name) => name !== ''), hadBearer: false }
  const [, token = ''] = offered.splice(at, 2)
  // Two credentials: nobody can tell which one is meant.
  if (headers.authorization !== undefined || offered.includes(bearerProtocol)) throw malformed('credential_repeated')
  raw.rawHeaders.push('Authorization', `Bearer ${token}`)
  return { protocols: offered.filter((name) => name !== ''), hadBearer: true }
}

/**
 * The header fields to send to the service: those of the request, with the subprotocols that are left.
 * @param fields names and values in turn
 */
export function handshakeFields(fields: readonly string[], { protocols }: Offer): string[] {
  const kept: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (name.toLowerCase() !== 'sec-websocket-protocol') kept.push(name, fields[i + 1] ?? '')
  }
  return protocols.length === 0 ? kept : [...kept, 'sec-websocket-protocol', protocols.join(', ')]
}

const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Whether a service's response proves that it understood the handshake (RFC 6455 section 4.2.2). */
export function isAccepted(key: string | undefined, accept: string | string[] | undefined): boolean {
  return accept === createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64')
}

function malformed(detail: string) {
  return problem('invalid_request', { detail })
}
