// One kept HTTP/1.1 connection over a raw socket, one exchange at a time: what a load needs and no more, so that it leaves its
// core to the service. Answers are framed by their content-length; whatever is not 200 and whole is a failure.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const lineEnd = '\r\n'
const headEnd = lineEnd + lineEnd
const bufferBytes = 65_536

/** Hears the body of a response. Its bytes are good until the call returns. */
export type OnResponse = (body: Buffer) => void

export class RawConnection {
  readonly #socket: Socket
  readonly #onFailure: (error: Error) => void
  #onResponse: OnResponse | undefined
  /** What has come of a response that comes in pieces. */
  #pieces: Buffer[] = []
  #missingBytes = 0
  #bodyAt = 0
  #isLast = false

  private constructor(url: URL, onFailure: (error: Error) => void) {
    this.#onFailure = onFailure
    // One buffer for every read: nothing is allocated a request.
    const onread = { buffer: Buffer.allocUnsafe(bufferBytes), callback: this.#read.bind(this) }
    this.#socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true, onread })
  }

  /**
   * Connects.
   * @param onFailure hears of a response that is wrong or does not come; the connection is of no use then
   * @throws Error when nobody listens there
   */
  static async open(url: string, onFailure: (error: Error) => void): Promise<RawConnection> {
    const connection = new RawConnection(new URL(url), onFailure)
    await once(connection.#socket, 'connect')
    connection.#socket.on('error', onFailure)
    connection.#socket.on('close', () => connection.#onResponse && onFailure(new Error('closed before it answered')))
    return connection
  }

  /**
   * Sends a request.
   * @param request the whole of it, head and body
   * @param onResponse hears the response, once; then the connection is free again
   */
  ask(request: string, onResponse: OnResponse): void {
    this.#onResponse = onResponse
    this.#socket.write(request, 'latin1')
  }

  /** Whether the response it gave last was its last one: another connection is needed for the next request. */
  get isOver(): boolean {
    return this.#isLast
  }

  /** Ends it; a response that is still to come is not waited for. */
  close(): void {
    this.#onResponse = undefined
    this.#socket.destroy()
  }

  #read(bytes: number, buffer: Uint8Array): boolean {
    const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytes)
    if (this.#pieces.length > 0) this.#missingBytes -= bytes
    else if (!this.#begin(chunk)) return false
    if (this.#missingBytes > 0) this.#pieces.push(Buffer.from(chunk))
    else this.#respond(this.#pieces.length === 0 ? chunk : Buffer.concat([...this.#pieces, chunk]))
    return true
  }

  #begin(chunk: Buffer): boolean {
    const end = chunk.indexOf(headEnd)
    const head = chunk.toString('latin1', 0, Math.max(0, end))
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? []
    const isGood = head.startsWith('HTTP/1.1 200') && length !== undefined
    if (!isGood) this.#onFailure(new Error(`a response was: ${chunk}`))
    this.#isLast = /\r\nconnection: *close/i.test(head)
    this.#bodyAt = end + headEnd.length
    this.#missingBytes = this.#bodyAt + Number(length) - chunk.length
    return isGood
  }

  #respond(whole: Buffer): void {
    const onResponse = this.#onResponse
    this.#pieces = []
    this.#onResponse = undefined
    if (onResponse === undefined || this.#missingBytes < 0) this.#onFailure(new Error(`nobody asked for: ${whole}`))
    else onResponse(whole.subarray(this.#bodyAt))
  }
}

/**
 * The text of a request.
 * @param body JSON in ASCII, which makes it a POST; a GET otherwise
 */
export function requestText(url: string, path: string, headers: Record<string, string>, body?: string): string {
  const framing = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': `${body.length}` }
  const fields = Object.entries({ host: new URL(url).host, ...headers, ...framing })
  const lines = [`${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`, ...fields.map((field) => field.join(': '))]
  return lines.join(lineEnd) + headEnd + (body ?? '')
}
