// A buffer for what a client sends behind its handshake before the service has switched. RFC 6455 section 4.1 tells clients
// to wait, so there is little of it or something is odd; but only who reads notices that the other side has left. It keeps a
// bounded part, lets the rest wait where it comes from, and hands nothing to anybody before it is asked.
import type { Socket } from 'node:net'

/** When so much is here, no more is read, bytes. */
const enoughBytes = 16_384

export class HandshakeBuffer {
  readonly #socket: Socket
  readonly #onLeft: () => void
  readonly #parts: Buffer[]
  #bytes: number

  /**
   * Begins to read.
   * @param head what came together with the handshake
   * @param onLeft called when the client ends its side: that it wants to go on listening cannot be told from its leaving, and
   * half a WebSocket is none
   */
  constructor(socket: Socket, head: Buffer, onLeft: () => void) {
    this.#socket = socket
    this.#onLeft = onLeft
    this.#parts = [head]
    this.#bytes = head.length
    socket.on('end', onLeft).on('data', this.#onPart)
    this.#pauseAtEnough()
  }

  /**
   * Reads no further; the client's next bytes wait for the next reader.
   * @returns what came, in its order
   */
  take(): Buffer {
    this.#socket.off('end', this.#onLeft).off('data', this.#onPart).pause()
    return Buffer.concat(this.#parts)
  }

  readonly #onPart = (part: Buffer): void => {
    this.#parts.push(part)
    this.#bytes += part.length
    this.#pauseAtEnough()
  }

  #pauseAtEnough(): void {
    if (this.#bytes >= enoughBytes) this.#socket.pause()
  }
}
