// A call to a service, as its client and its callers agree on it: a request to send, who is told what comes of it, and how it
// can fail.
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { ResponseHead } from './response-head.ts'

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

/** What a call may do with the connection that it leaves by. */
export interface CallConnection {
  /** Whether a request was on it before: the service may be closing it just now. */
  readonly isReused: boolean
  pause(call: Call): void
  resume(call: Call): void
  /** @param detail a word for the log */
  abort(call: Call, detail: string): void
}

/** One request and whoever waits for its response. Told of exactly one end: `onEnd`, `onSwitch` or `onFailure`. */
export interface Call {
  /**
   * A connection is being made for the request.
   * @param connection what it may be aborted by
   */
  onConnecting?(connection: CallConnection): void
  /**
   * There is a connection, and the request leaves now.
   * @param connection what it may be paused, resumed and aborted by
   * @returns false to send nothing: nobody waits any more
   */
  onSending(connection: CallConnection): boolean
  /** An interim response (RFC 9110 section 15.2), never 101. */
  onInformation?(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /** @param part only lent: to be copied by whoever keeps it */
  onBody(part: Buffer): void
  /** All that has come was told, and the response is not over. */
  onReadEnd?(): void
  /** @param trailers names in lower case and values in turn */
  onEnd(trailers: readonly string[]): void
  /** The service switched protocols; the socket is the caller's from now on. Only called where a switch was asked for. */
  onSwitch?(head: ResponseHead, socket: Socket): void
  onFailure(failure: CallFailure): void
}

/**
 * How a call failed.
 * `unsent`: there was no connection, so nothing has left. `raced`: the service had given up waiting on a kept connection (408) before
 * the request was there. `lacking`: there was none because this process or machine has no more
 * to give, which says nothing of the service. `closed`: the service closed it without a byte of a response. `broken`:
 * it closed in the middle of its response, interim ones included. `malformed`: what it sent is no response. `unsendable`: the request
 * cannot be written. `aborted`: its caller gave up.
 */
export type FailureKind = 'unsent' | 'raced' | 'lacking' | 'closed' | 'broken' | 'malformed' | 'unsendable' | 'aborted'

export class CallFailure extends Error {
  readonly kind: FailureKind
  /** For the log: a system error's code, or what is wrong with the response. */
  readonly word: string

  constructor(kind: FailureKind, word: string, cause?: unknown) {
    super(`${kind}: ${word}`, { cause })
    this.kind = kind
    this.word = word
  }
}
