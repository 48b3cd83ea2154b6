// The head of a response and the fields of a trailer section, read from text. It is strict where two parsers could read two
// messages, and takes what every proxy reads alike. Pure.

import { hasMember } from '../headers/names.ts'

/** A response that is not valid HTTP/1, or more than a gateway takes; `message` is a word for the log. */
export class ResponseError extends Error {}

export interface ResponseHead {
  /** 100 to 599. */
  statusCode: number
  /** The reason phrase, a character a byte; '' without one. */
  reason: string
  /** Names in lower case and values in turn, as received. */
  fields: string[]
  /** All Connection fields, joined; undefined without one. */
  connection: string | undefined
  /** -1 where it was not said. */
  contentLength: number
  isChunked: boolean
  /** Whether the service will take another request on this connection (RFC 9112 section 9.3). */
  keepsAlive: boolean
  /** How long it says it waits for one, s; -1 where it was not said. */
  keepAliveSeconds: number
}

const statusLine = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/

/**
 * Reads a head.
 * @param text latin1, from the status line to its last field, without the blank line
 * @throws AnswerFault
 */
export function parseHead(text: string): ResponseHead {
  const end = endOfLine(text, 0)
  const [, minorVersion, statusCode, reason = ''] = statusLine.exec(text.slice(0, end)) ?? []
  if (statusCode === undefined) throw new ResponseError('status_line')
  const head: ResponseHead = {
    statusCode: Number(statusCode),
    reason,
    fields: parseFields(text, end + 2),
    connection: undefined,
    contentLength: -1,
    isChunked: false,
    keepsAlive: minorVersion === '1',
    keepAliveSeconds: -1,
  }
  checkFields(head)
  // RFC 9112 section 6.1: a coding in HTTP/1.0 is faulty framing. With a length beside it, two parsers could disagree.
  if (head.isChunked && (minorVersion === '0' || head.contentLength !== -1)) throw new ResponseError('framing')
  return head
}

/**
 * Reads field lines (RFC 9112 section 5).
 * @param text latin1, each line but the last ended by CRLF
 * @returns names in lower case and values in turn
 * @throws AnswerFault
 */
export function parseFields(text: string, from = 0): string[] {
  const fields: string[] = []
  for (let at = from; at < text.length; ) {
    const end = endOfLine(text, at)
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon > end) throw new ResponseError('field_line')
    fields.push(fieldName(text.slice(at, colon)), fieldValue(text, colon + 1, end))
    at = end + 2
  }
  return fields
}

/** The values of a field, in their order. @param fields names in lower case and values in turn */
export function fieldValues(fields: readonly string[], name: string): string[] {
  return fields.filter((_field, i) => i % 2 === 1 && fields[i - 1] === name)
}

/** Whether what follows stays open for as long as its client listens. */
export function isEventStream({ fields }: ResponseHead): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === 'content-type') return eventStream.test(fields[i + 1] ?? '')
  }
  return false
}

const eventStream = /^text\/event-stream\s*(?:;|$)/i

/** Whether a text may stand as a field's value (RFC 9110 section 5.5), a character a byte. */
export function isFieldValue(text: string): boolean {
  return !noFieldValue.test(text)
}

const noFieldValue = /[^\t\x20-\x7e\x80-\xff]/

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\r\n', from)
  return end === -1 ? text.length : end
}

// Services send the same few names in the same spelling; the bound is for those who invent them.
const rememberedLimit = 512
const lowerNames = new Map<string, string>()

// A line that is folded begins with a blank and so has no name: RFC 9112 section 5.2 lets a proxy refuse it.
function fieldName(name: string): string {
  const known = lowerNames.get(name)
  if (known !== undefined) return known
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new ResponseError('field_name')
  const lower = name.toLowerCase()
  if (lowerNames.size >= rememberedLimit) lowerNames.clear()
  lowerNames.set(name, lower)
  return lower
}

function fieldValue(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && (text.charCodeAt(start) === 0x20 || text.charCodeAt(start) === 0x09)) start += 1
  // A tab at the end stays: parsers differ about it, and where it would matter the value is then refused.
  while (end > start && text.charCodeAt(end - 1) === 0x20) end -= 1
  const value = text.slice(start, end)
  if (noFieldValue.test(value)) throw new ResponseError('field_value')
  return value
}

function checkFields(head: ResponseHead): void {
  const { fields } = head
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value = fields[i + 1] ?? ''
    switch (fields[i]) {
      case 'content-length':
        if (head.contentLength === -1 && digits.test(value)) head.contentLength = Number(value)
        else {
          head.contentLength = lengthOf(value, head.contentLength)
          fields[i + 1] = String(head.contentLength)
        }
        break
      case 'transfer-encoding':
        // A coding we did not ask for and do not undo would reach the client as a body of unknown framing.
        if (head.isChunked || value.trimEnd().toLowerCase() !== 'chunked') throw new ResponseError('transfer_encoding')
        head.isChunked = true
        break
      case 'connection':
        head.connection = head.connection === undefined ? value : `${head.connection},${value}`
        if (value !== 'keep-alive' && hasMember(value, 'close')) head.keepsAlive = false
        break
      case 'keep-alive':
        head.keepAliveSeconds = Number(/(?:^|[,\s])timeout=(\d{1,5})/i.exec(value)?.[1] ?? -1)
        break
    }
  }
}

const digits = /^[0-9]{1,15}$/
const digitsInList = /^[0-9]{1,15}(?:[\t ]*,[\t ]*[0-9]{1,15})*[\t ]*$/

// RFC 9110 section 8.6: the same number again, in a field of its own or in a list, is one length, and is sent on as one.
function lengthOf(value: string, known: number): number {
  if (!digitsInList.test(value)) throw new ResponseError('content_length')
  let length = known
  for (const one of value.split(',')) {
    if (length !== -1 && Number(one) !== length) throw new ResponseError('content_length')
    length = Number(one)
  }
  return length
}
