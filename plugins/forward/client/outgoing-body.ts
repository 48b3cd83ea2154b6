// A body on its way out of the gateway, written part by part and held back while the service is slow. Owned by connection.ts,
// one for each request that has a body to be read. It never says that a body is whole which is not.
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

export class OutgoingBody {
  readonly #socket: Socket
  readonly #source: Readable
  readonly #isChunked: boolean
  readonly #onSent: () => void

  /** @param onSent called once, when all of it was handed to the socket */
  constructor(socket: Socket, source: Readable, isChunked: boolean, onSent: () => void) {
    this.#socket = socket
    this.#source = source
    this.#isChunked = isChunked
    this.#onSent = onSent
    socket.on('drain', this.#onDrained)
    source.on('end', this.#onEnd).on('data', this.#onPart)
  }

  /** Takes nothing more from the source; for whoever reads on, it stays open. */
  stop(): void {
    this.#socket.off('drain', this.#onDrained)
    this.#source.off('end', this.#onEnd).off('data', this.#onPart).pause()
  }

  readonly #onPart = (part: Buffer): void => {
    if (!this.#write(part)) this.#source.pause()
  }

  readonly #onDrained = (): void => {
    this.#source.resume()
  }

  readonly #onEnd = (): void => {
    this.stop()
    if (this.#isChunked) this.#socket.write('0\r\n\r\n', 'latin1')
    this.#onSent()
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
