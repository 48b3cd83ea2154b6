// Reads answers off a connection, byte by byte as they come: heads, bodies in their three framings, trailers (RFC 9112 sections
// 6 and 7). Owned by connection.ts. It keeps nothing of a body, and never takes a byte behind the end of a response.
import assert from 'node:assert/strict'
import { parseFields, parseHead, ResponseError, type ResponseHead } from './response-head.ts'

/** Who hears what was read. A part of a body is only lent: its bytes are overwritten after the call. */
export interface ResponseSink {
  onInformation(head: ResponseHead): void
  onHead(head: ResponseHead): void
  onBody(part: Buffer): void
  onEnd(trailers: readonly string[]): void
}

/** Size and extensions of a chunk, bytes. */
const chunkLineBytes = 4096
/** 2^52 and more are no lengths. */
const chunkSizeDigits = 13

const sectionEnd = Buffer.from('\r\n\r\n')
const noTrailers: readonly string[] = []
const noBytes = Buffer.alloc(0)

// What comes next on the connection.
const nothing = 0
const head = 1
const counted = 2
const closeDelimited = 3
const chunkSize = 4
const chunkBlank = 5
const chunkExtension = 6
const chunkLineEnd = 7
const chunkData = 8
const chunkEnd = 9
const chunkEndLineFeed = 10
const trailers = 11

const cr = 0x0d
const lf = 0x0a
const semicolon = 0x3b

export class ResponseParser {
  readonly #sink: ResponseSink
  readonly #headLimitBytes: number
  #next = nothing
  #isHead = false
  /** Of the body or the chunk that is being read, bytes. */
  #left = 0
  #headBytes = 0
  #lineBytes = 0
  /** Digits of a chunk's size, less zeros in front; -1 before the first. */
  #sizeDigits = -1
  /** The beginning of a head or of trailers, until their end is here: the first bytes of a buffer that grows by doubling. */
  #held = noBytes
  #heldBytes = 0

  /** @param headLimitBytes what one response may send as heads and trailers, interim ones included */
  constructor(sink: ResponseSink, headLimitBytes: number) {
    this.#sink = sink
    this.#headLimitBytes = headLimitBytes
  }

  /** A request was sent: its response is next. @param isHead whether it was HEAD, whose response has no body */
  begin(isHead: boolean): void {
    assert(this.#next === nothing, 'the response before this one has been read to its end')
    this.#next = head
    this.#isHead = isHead
    this.#headBytes = 0
  }

  /** Nothing more is wanted: what was read is dropped, also while it is being told. */
  stop(): void {
    this.#next = nothing
    this.#releaseHeld()
  }

  /**
   * Reads what has come.
   * @param buffer from its first byte to `end`
   * @returns how many bytes belonged to the response: what is left came unasked
   * @throws AnswerFault
   */
  read(buffer: Buffer, end: number): number {
    let at = 0
    while (at < end && this.#next !== nothing) at = this.#step(buffer, at, end)
    return at
  }

  /**
   * The service has closed its side.
   * @returns whether that was the end of a response (RFC 9112 section 6.3, 8); the sink was told
   */
  end(): boolean {
    if (this.#next !== closeDelimited) return false
    this.#finish(noTrailers)
    return true
  }

  #step(buffer: Buffer, at: number, end: number): number {
    switch (this.#next) {
      case head:
      case trailers:
        return this.#readSection(buffer, at, end)
      case counted:
        return this.#readCounted(buffer, at, end)
      case closeDelimited:
        this.#sink.onBody(buffer.subarray(at, end))
        return end
      case chunkData:
        return this.#readChunk(buffer, at, end)
      default:
        this.#readFraming(buffer[at] ?? 0)
        return at + 1
    }
  }

  // A head, or trailers: field lines up to a blank one.
  #readSection(buffer: Buffer, at: number, end: number): number {
    const arrived = buffer.subarray(at, end)
    const heldBytes = this.#heldBytes
    const whole = heldBytes === 0 ? arrived : this.#hold(arrived)
    // Without any trailers, the blank line stands alone.
    const isEmpty = this.#next === trailers && whole[0] === cr && whole[1] === lf
    const bytes = isEmpty ? 0 : whole.indexOf(sectionEnd, Math.max(0, heldBytes - 3))
    // The blank line itself, of which three bytes may be here, does not count.
    if (this.#headBytes + (bytes === -1 ? whole.length - 3 : bytes) > this.#headLimitBytes) {
      throw new ResponseError('head_too_large')
    }
    if (bytes === -1) {
      if (this.#next === head) requireBeginning(whole, heldBytes)
      if (heldBytes === 0) this.#hold(arrived)
      return end
    }
    this.#releaseHeld()
    this.#headBytes += bytes
    const text = whole.toString('latin1', 0, bytes)
    if (this.#next === trailers) this.#finish(parseFields(text))
    else this.#take(parseHead(text))
    return at + bytes + (isEmpty ? 2 : 4) - heldBytes
  }

  // Each byte is copied a bounded number of times, however small the parts are in which a section comes.
  #hold(part: Buffer): Buffer {
    const bytes = this.#heldBytes + part.length
    if (bytes > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(bytes, 2 * this.#held.length))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    part.copy(this.#held, this.#heldBytes)
    this.#heldBytes = bytes
    return this.#held.subarray(0, bytes)
  }

  #releaseHeld(): void {
    this.#held = noBytes
    this.#heldBytes = 0
  }

  #take(received: ResponseHead): void {
    const { statusCode } = received
    if (statusCode < 200) {
      // The response itself could not follow (RFC 9112 section 9.6).
      if (!received.keepsAlive) throw new ResponseError('interim_end')
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
  #framingOf({ statusCode, isChunked, contentLength }: ResponseHead): number {
    if (this.#isHead || statusCode === 204 || statusCode === 304) return nothing
    if (isChunked) {
      this.#beginChunk()
      return chunkSize
    }
    if (contentLength === -1) return closeDelimited
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
    if (this.#lineBytes > chunkLineBytes) throw new ResponseError('chunk_line')
    switch (this.#next) {
      case chunkSize:
        this.#readSize(byte)
        break
      case chunkBlank:
        if (!isBlank(byte)) this.#endSize(byte)
        break
      case chunkExtension:
        // Nobody here knows one (RFC 9112 section 7.1.1: it is ignored, and ends here); no other parser may see a line end in it.
        if (byte === cr) this.#next = chunkLineEnd
        else if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) throw new ResponseError('chunk_extension')
        break
      case chunkLineEnd:
        requireByte(byte, lf)
        this.#next = this.#left === 0 ? trailers : chunkData
        break
      case chunkEnd:
        requireByte(byte, cr)
        this.#next = chunkEndLineFeed
        break
      default:
        requireByte(byte, lf)
        this.#beginChunk()
        this.#next = chunkSize
    }
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte)
    if (digit === -1) {
      if (this.#sizeDigits === -1) throw new ResponseError('chunk_size')
      this.#endSize(byte)
      return
    }
    this.#sizeDigits += this.#sizeDigits === -1 ? 1 : 0
    if (this.#left > 0 || digit > 0) this.#sizeDigits += 1
    if (this.#sizeDigits > chunkSizeDigits) throw new ResponseError('chunk_size')
    this.#left = this.#left * 16 + digit
  }

  // Blanks may stand behind a size: some services fill it up to a width, and BWS may stand around an extension's signs.
  #endSize(byte: number): void {
    if (byte === cr) this.#next = chunkLineEnd
    else if (byte === semicolon) this.#next = chunkExtension
    else if (isBlank(byte)) this.#next = chunkBlank
    else throw new ResponseError('chunk_size')
  }

  #beginChunk(): void {
    this.#left = 0
    this.#sizeDigits = -1
    this.#lineBytes = 0
  }

  #finish(received: readonly string[]): void {
    this.stop()
    this.#sink.onEnd(received)
  }
}

// What cannot become a head is not waited for: another protocol, or lines that end otherwise. Lines before `from` were seen.
function requireBeginning(part: Buffer, from: number): void {
  if (!'HTTP/1.'.startsWith(part.toString('latin1', 0, 7))) throw new ResponseError('status_line')
  for (let at = part.indexOf(lf, from); at !== -1; at = part.indexOf(lf, at + 1)) {
    if (part[at - 1] !== cr) throw new ResponseError('field_line')
  }
}

function requireByte(byte: number, expected: number): void {
  if (byte !== expected) throw new ResponseError('chunk_framing')
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
