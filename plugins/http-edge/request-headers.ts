// The fields of a request that decide about its framing and its way: each at most once, and of one form. Forward/ asks it
// whether what a trusted proxy says of its client's Host is one.
import type { IncomingMessage } from 'node:http'
import { type Problem, problem } from '../errors/index.ts'

/** Fields that decide about framing and routing, as they stood in the message: Node's own view drops repeats. */
export interface CheckedFields {
  /** Undefined in HTTP/1.0 alone, where it may be missing. */
  host: string | undefined
  expectation: string | undefined
  upgrade: string | undefined
}

/**
 * Reads the fields that decide about framing and routing.
 * @param maxFields how many fields a request may have
 * @param mayLackHost whether one of HTTP/1.0 may have no Host (RFC 9112 section 3.2 demands it of HTTP/1.1)
 * @throws {Problem} `headers_too_large`; `invalid_request` for a missing, repeated or malformed one, which ends the connection
 */
export function checkFields(raw: IncomingMessage, maxFields: number, mayLackHost = false): CheckedFields {
  const { rawHeaders } = raw
  if (rawHeaders.length > maxFields * 2) throw problem('headers_too_large', { detail: 'header_count' })
  let host: string | undefined
  let coding: string | undefined
  let length: string | undefined
  let expectation: string | undefined
  let upgrade: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    // Told apart by length first: most fields are not looked at any further.
    switch (name.length) {
      case 4:
        if (isNamed(name, 'host')) host = once(host, rawHeaders[i + 1], 'host_repeated')
        break
      case 6:
        if (isNamed(name, 'expect')) expectation = once(expectation, rawHeaders[i + 1], 'expect_repeated')
        break
      case 7:
        if (isNamed(name, 'upgrade')) upgrade = upgrade === undefined ? rawHeaders[i + 1] : 'several'
        break
      case 14:
        if (isNamed(name, 'content-length')) length = once(length, rawHeaders[i + 1], 'content_length_repeated')
        break
      case 17:
        if (isNamed(name, 'transfer-encoding')) coding = once(coding, rawHeaders[i + 1], 'transfer_encoding_repeated')
        break
    }
  }
  if (host === undefined && !(mayLackHost && raw.httpVersionMinor === 0)) throw unframed('host_missing')
  const detail = framingViolation(raw, coding, length)
  if (detail !== undefined) throw unframed(detail)
  return { host, expectation, upgrade }
}

// RFC 9112 sections 2.3, 6.1 and 6.3. Node's parser refuses most of these; the rule here does not depend on its version.
function framingViolation(
  raw: IncomingMessage,
  coding: string | undefined,
  length: string | undefined,
): string | undefined {
  // The parser also takes 0.9 and 2.0, which are other protocols.
  if (raw.httpVersionMajor !== 1) return 'http_version'
  if (coding !== undefined) {
    if (coding !== 'chunked') return 'transfer_encoding'
    if (length !== undefined) return 'content_length_and_transfer_encoding'
    if (raw.httpVersionMinor !== 1) return 'transfer_encoding_version'
  }
  return length !== undefined && !isDigits(length) ? 'content_length' : undefined
}

/** RFC 9112 section 6.3: the connection MUST be closed, since nobody knows where the next request begins. */
export function unframed(detail: string): Problem {
  return problem('invalid_request', { detail, headers: { connection: 'close' } })
}

function once(known: string | undefined, value: string | undefined, detail: string): string {
  if (known !== undefined) throw unframed(detail)
  return value ?? ''
}

function isNamed(name: string, lower: string): boolean {
  return name === lower || name.toLowerCase() === lower
}

function isDigits(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text)
}

let lastHost = ''

/** Whether a text may be the value of a Host field. The same few come again and again, so the last good one is remembered. */
export function isHost(text: string): boolean {
  if (text === lastHost) return text !== ''
  if (text.length > 261 || !hostForm.test(text)) return false
  lastHost = text
  return true
}

// RFC 9110 section 7.2: uri-host [ ":" port ]. No userinfo, no escapes: no name of a gateway needs them.
const hostForm = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/
