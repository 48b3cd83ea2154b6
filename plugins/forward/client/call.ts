// What the client of services and its callers agree on: a request to send, who is told what comes of it, and how it can fail.
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { AnswerHead } from './answer-fields.ts'
import type { Connection } from './connection.ts'

export interface OutgoingRequest {
  method: string
  /** Origin-form. */
  path: string
  /** Names and values in turn; the Host field stands first. No framing: that is made from `body`. */
  fields: string[]
  body: Readable | Buffer | null
  /** Of a readable body; -1 where its end will tell. */
  bodyBytes: number
}

/** One request and whoever waits for its answer. Told of exactly one end: `onEnd`, `onSwitch` or `onFailure`. */
export interface Call {
  /**
   * A connection is being made for the request.
   * @param connection what it may be aborted by
   */
  onConnecting?(connection: Connection): void
  /**
   * There is a connection, and the request leaves now.
   * @param connection what it may be paused, resumed and aborted by
   * @returns false to send nothing: nobody waits any more
   */
  onSending(connection: Connection): boolean
  /** An interim answer (RFC 9110 section 15.2), never 101. */
  onInformation?(head: AnswerHead): void
  onHead(head: AnswerHead): void
  /** @param part only lent: to be copied by whoever keeps it */
  onBody(part: Buffer): void
  /** All that has come was told, and the answer is not over. */
  onLull?(): void
  /** @param trailers names in lower case and values in turn */
  onEnd(trailers: readonly string[]): void
  /** The service switched protocols; the socket is the caller's from now on. Only called where a switch was asked for. */
  onSwitch?(head: AnswerHead, socket: Socket): void
  onFailure(failure: CallFailure): void
}

/**
 * How a call failed.
 * `unsent`: there was no connection, so nothing has left. `lacking`: there was none because this process or machine has no more
 * to give, which says nothing of the service. `closed`: the service closed it without a byte of an answer. `broken`:
 * it closed in the middle of its answer, interim ones included. `malformed`: what it sent is no answer. `unsendable`: the request
 * cannot be written. `aborted`: its caller gave up.
 */
export type FailureKind = 'unsent' | 'lacking' | 'closed' | 'broken' | 'malformed' | 'unsendable' | 'aborted'

export class CallFailure extends Error {
  readonly kind: FailureKind
  /** For the log: a system error's code, or what is wrong with the answer. */
  readonly word: string

  constructor(kind: FailureKind, word: string, cause?: unknown) {
    super(`${kind}: ${word}`, { cause })
    this.kind = kind
    this.word = word
  }
}
