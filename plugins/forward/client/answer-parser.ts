// Reads answers off a connection, byte by byte as they come: heads, bodies in their three framings, trailers (RFC 9112 sections
// 6 and 7). Owned by connection.ts. It keeps nothing of a body, and never takes a byte behind the end of an answer.
import { AnswerFault, type AnswerHead, parseFields, parseHead } from './answer-fields.ts'

/** Who hears what was read. A part of a body is only lent: its bytes are overwritten after the call. */
export interface AnswerSink {
  onInformation(head: AnswerHead): void
  onHead(head: AnswerHead): void
  onBody(part: Buffer): void
  onEnd(trailers: readonly string[]): void
}

/** What one answer may send as heads and trailers, interim ones included, bytes. */
export const answerHeadBytes = 32_768
/** Size and extensions of a chunk, bytes. */
const chunkLineBytes = 4096
/** 2^52 and more are no lengths. */
const chunkSizeDigits = 13

const headEnd = Buffer.from('\r\n\r\n')
const noTrailers: readonly string[] = []

// What comes next on the connection.
const nothing = 0
const head = 1
const counted = 2
const untilClosed = 3
const chunkSize = 4
const chunkExtension = 5
const chunkLineEnd = 6
const chunkData = 7
const chunkEnd = 8
const chunkEndLineFeed = 9
const trailers = 10

const cr = 0x0d
const lf = 0x0a

export class AnswerParser {
  readonly #sink: AnswerSink
  #next = nothing
  #isHead = false
  /** Of the body or the chunk that is being read, bytes. */
  #left = 0
  #headBytes = 0
  #lineBytes = 0
  #sizeDigits = 0
  /** The beginning of a head or of trailers, until their end is here. */
  #held: Buffer | undefined

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  /** A request was sent: its answer is next. @param isHead whether it was HEAD, whose answer has no body */
  begin(isHead: boolean): void {
    this.#next = head
    this.#isHead = isHead
    this.#headBytes = 0
  }

  /** Nothing more is wanted: what was read is dropped, also while it is being told. */
  stop(): void {
    this.#next = nothing
    this.#held = undefined
  }

  /**
   * Reads what has come.
   * @param buffer from its first byte to `end`
   * @returns how many bytes belonged to the answer: what is left came unasked
   * @throws AnswerFault
   */
  read(buffer: Buffer, end: number): number {
    let at = 0
    while (at < end && this.#next !== nothing) at = this.#step(buffer, at, end)
    return at
  }

  /**
   * The service has closed its side.
   * @returns whether that was the end of an answer (RFC 9112 section 6.3, 8); the sink was told
   */
  end(): boolean {
    if (this.#next !== untilClosed) return false
    this.#finish(noTrailers)
    return true
  }

  #step(buffer: Buffer, at: number, end: number): number {
    switch (this.#next) {
      case head:
        return this.#readHead(buffer, at, end)
      case counted:
        return this.#readCounted(buffer, at, end)
      case untilClosed:
        this.#sink.onBody(buffer.subarray(at, end))
        return end
      case chunkData:
        return this.#readChunk(buffer, at, end)
      case trailers:
        return this.#readTrailers(buffer, at, end)
      default:
        this.#readFraming(buffer[at] ?? 0)
        return at + 1
    }
  }

  #readHead(buffer: Buffer, at: number, end: number): number {
    const from = this.#held?.length ?? 0
    const whole =
      this.#held === undefined ? buffer.subarray(at, end) : Buffer.concat([this.#held, buffer.subarray(at, end)])
    const length = whole.indexOf(headEnd, Math.max(0, from - 3))
    if (length === -1) return this.#hold(whole, end)
    this.#held = undefined
    this.#count(length)
    this.#take(parseHead(whole.toString('latin1', 0, length)))
    return at + length + 4 - from
  }

  #take(received: AnswerHead): void {
    const { statusCode } = received
    if (statusCode < 200) {
      // A switch is the last thing that is HTTP on its connection.
      if (statusCode === 101) this.#next = nothing
      this.#sink.onInformation(received)
      return
    }
    this.#next = this.#framingOf(received)
    const isOver = this.#next === nothing
    this.#sink.onHead(received)
    if (isOver) this.#sink.onEnd(noTrailers)
  }

  // RFC 9112 section 6.3, in its order.
  #framingOf({ statusCode, isChunked, contentLength }: AnswerHead): number {
    if (this.#isHead || statusCode === 204 || statusCode === 304) return nothing
    if (isChunked) {
      this.#beginChunk()
      return chunkSize
    }
    if (contentLength === -1) return untilClosed
    this.#left = contentLength
    return contentLength === 0 ? nothing : counted
  }

  #readCounted(buffer: Buffer, at: number, end: number): number {
    const until = Math.min(end, at + this.#left)
    this.#left -= until - at
    const isLast = this.#left === 0
    this.#sink.onBody(buffer.subarray(at, until))
    if (isLast && this.#next === counted) this.#finish(noTrailers)
    return until
  }

  #readChunk(buffer: Buffer, at: number, end: number): number {
    const until = Math.min(end, at + this.#left)
    this.#left -= until - at
    if (this.#left === 0) this.#next = chunkEnd
    this.#sink.onBody(buffer.subarray(at, until))
    return until
  }

  // What stands around the data of chunks (RFC 9112 section 7.1), a byte at a time.
  #readFraming(byte: number): void {
    this.#lineBytes += 1
    if (this.#lineBytes > chunkLineBytes) throw new AnswerFault('chunk_line')
    switch (this.#next) {
      case chunkSize:
        this.#readSize(byte)
        break
      case chunkExtension:
        if (byte === cr) this.#next = chunkLineEnd
        else if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) throw new AnswerFault('chunk_extension')
        break
      case chunkLineEnd:
        demand(byte, lf)
        this.#next = this.#left === 0 ? trailers : chunkData
        break
      case chunkEnd:
        demand(byte, cr)
        this.#next = chunkEndLineFeed
        break
      default:
        demand(byte, lf)
        this.#beginChunk()
        this.#next = chunkSize
    }
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte)
    if (digit !== -1) {
      this.#sizeDigits += 1
      if (this.#sizeDigits > chunkSizeDigits) throw new AnswerFault('chunk_size')
      this.#left = this.#left * 16 + digit
      return
    }
    if (this.#sizeDigits === 0) throw new AnswerFault('chunk_size')
    if (byte === cr) this.#next = chunkLineEnd
    else if (byte === 0x3b) this.#next = chunkExtension
    else throw new AnswerFault('chunk_size')
  }

  #beginChunk(): void {
    this.#left = 0
    this.#sizeDigits = 0
    this.#lineBytes = 0
  }

  #readTrailers(buffer: Buffer, at: number, end: number): number {
    const from = this.#held?.length ?? 0
    const whole =
      this.#held === undefined ? buffer.subarray(at, end) : Buffer.concat([this.#held, buffer.subarray(at, end)])
    // Without any, the blank line stands alone.
    if (whole.length >= 2 && whole[0] === cr && whole[1] === lf) {
      this.#finish(noTrailers)
      return at + 2 - from
    }
    const length = whole.indexOf(headEnd, Math.max(0, from - 3))
    if (length === -1) return this.#hold(whole, end)
    this.#count(length)
    this.#finish(parseFields(whole.toString('latin1', 0, length)))
    return at + length + 4 - from
  }

  #hold(whole: Buffer, end: number): number {
    if (this.#headBytes + whole.length > answerHeadBytes) throw new AnswerFault('head_too_large')
    this.#held = Buffer.from(whole)
    return end
  }

  #count(bytes: number): void {
    this.#headBytes += bytes
    if (this.#headBytes > answerHeadBytes) throw new AnswerFault('head_too_large')
  }

  #finish(received: readonly string[]): void {
    this.stop()
    this.#sink.onEnd(received)
  }
}

function demand(byte: number, expected: number): void {
  if (byte !== expected) throw new AnswerFault('chunk_framing')
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
