// A reading: what a parser tells of a response, written down so that two readings can be compared.
import type { ResponseHead } from '../../../../plugins/forward/client/response-head.ts'
import { ResponseError } from '../../../../plugins/forward/client/response-head.ts'
import { ResponseParser } from '../../../../plugins/forward/client/response-parser.ts'

export interface Reading {
  /** Status codes of interim answers. */
  interim: number[]
  head: ResponseHead | undefined
  body: string
  /** Undefined until the end. */
  trailers: readonly string[] | undefined
  fault: string | undefined
  /** Bytes behind the end. */
  unasked: string
}

/** What a response may have as heads and trailers here. */
export const responseHeadBytes = 32_768

/**
 * Reads a response.
 * @param parts as they arrive, latin1
 * @param options `isClosed`: the service closes behind the last part
 */
export function read(parts: readonly string[], { isHead = false, isClosed = false } = {}): Reading {
  const reading: Reading = {
    interim: [],
    head: undefined,
    body: '',
    trailers: undefined,
    fault: undefined,
    unasked: '',
  }
  const parser = new ResponseParser(
    {
      onInformation: ({ statusCode }) => void reading.interim.push(statusCode),
      onHead: (head) => {
        reading.head = head
      },
      onBody: (part) => {
        reading.body += part.toString('latin1')
      },
      onEnd: (trailers) => {
        reading.trailers = trailers
      },
    },
    responseHeadBytes,
  )
  parser.begin(isHead)
  try {
    for (const part of parts) reading.unasked += readPart(parser, part)
    if (isClosed && reading.trailers === undefined && !parser.end()) reading.fault = 'cut'
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error
    reading.fault = error.message
  }
  return reading
}

// As a socket would: the bytes are overwritten when the call is over.
function readPart(parser: ResponseParser, part: string): string {
  const lent = Buffer.from(part, 'latin1')
  const used = parser.read(lent, lent.length)
  lent.fill('!')
  return part.slice(used)
}
