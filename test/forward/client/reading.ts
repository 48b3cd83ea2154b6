// What a parser tells of an answer, written down so that two readings can be compared. Used by the tests of the client.
import type { AnswerHead } from '../../../plugins/forward/client/answer-fields.ts'
import { AnswerFault } from '../../../plugins/forward/client/answer-fields.ts'
import { AnswerParser } from '../../../plugins/forward/client/answer-parser.ts'

export interface Reading {
  /** Status codes of interim answers. */
  interim: number[]
  head: AnswerHead | undefined
  body: string
  /** Undefined until the end. */
  trailers: readonly string[] | undefined
  fault: string | undefined
  /** Bytes behind the end. */
  unasked: string
}

/**
 * Reads an answer.
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
  const parser = new AnswerParser({
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
  })
  parser.begin(isHead)
  try {
    for (const part of parts) reading.unasked += readPart(parser, part)
    if (isClosed && reading.trailers === undefined && !parser.end()) reading.fault = 'cut'
  } catch (error) {
    if (!(error instanceof AnswerFault)) throw error
    reading.fault = error.message
  }
  return reading
}

// As a socket would: the bytes are overwritten when the call is over.
function readPart(parser: AnswerParser, part: string): string {
  const lent = Buffer.from(part, 'latin1')
  const used = parser.read(lent, lent.length)
  lent.fill('!')
  return part.slice(used)
}
