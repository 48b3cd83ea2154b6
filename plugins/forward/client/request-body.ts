// A body on its way out of the gateway, written part by part and held back while the service is slow. Owned by connection.ts,
// one for each request that has a body to be read. It never lets a body look whole that is not, nor be longer than was said.
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/**
 * Told once: all of it was handed to the socket, or what is wrong with it; then the connection must end, since the service would
 * take what comes next for the rest.
 */
export type BodyListener = (fault: string | undefined) => void

export class OutgoingBody {
  readonly #socket: Socket
  readonly #source: Readable
  readonly #isChunked: boolean
  readonly #onEnded: BodyListener
  /** Bytes that were promised and have not come. */
  #left: number

  /** @param bytes as the head has said; -1 where it goes out in chunks */
  constructor(socket: Socket, source: Readable, bytes: number, onEnded: BodyListener) {
    this.#socket = socket
    this.#source = source
    this.#isChunked = bytes === -1
    this.#left = bytes
    this.#onEnded = onEnded
    socket.on('drain', this.#onDrained)
    source.on('close', this.#onClosed).on('end', this.#onEnd).on('data', this.#onPart)
  }

  /** Takes nothing more from the source; for whoever reads on, it stays open. */
  stop(): void {
    this.#socket.off('drain', this.#onDrained)
    this.#source.off('close', this.#onClosed).off('end', this.#onEnd).off('data', this.#onPart).pause()
  }

  readonly #onPart = (part: Buffer): void => {
    // As a chunk it would be the last one (RFC 9112 section 7.1).
    if (part.length === 0) return
    if (!this.#isChunked) this.#left -= part.length
    if (!this.#isChunked && this.#left < 0) this.#finish('body_too_long')
    else if (!this.#write(part)) this.#source.pause()
  }

  readonly #onDrained = (): void => {
    this.#source.resume()
  }

  readonly #onEnd = (): void => {
    if (this.#isChunked) this.#socket.write('0\r\n\r\n', 'latin1')
    this.#finish(!this.#isChunked && this.#left > 0 ? 'body_too_short' : undefined)
  }

  readonly #onClosed = (): void => this.#finish('body_lost')

  #finish(fault: string | undefined): void {
    this.stop()
    this.#onEnded(fault)
  }

  #write(part: Buffer): boolean {
    if (!this.#isChunked) return this.#socket.write(part)
    this.#socket.cork()
    this.#socket.write(`${part.length.toString(16)}\r\n`, 'latin1')
    this.#socket.write(part)
    const goesOn = this.#socket.write('\r\n', 'latin1')
    this.#socket.uncork()
    return goesOn
  }
}
