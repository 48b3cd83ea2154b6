// Frames of a WebSocket (RFC 6455 section 5.2), as far as a tunnel must know them to end one in order: where one frame ends and the
// next begins, and the frame that closes. It looks at the heads of frames and changes nothing.

/** Why a WebSocket is closed (RFC 6455 section 7.4.1). */
export const closeCodes = { goingAway: 1001, policyViolation: 1008 } as const

/** A frame of a server that closes. */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x88, 2, code >> 8, code & 0xff])
}

/** Follows one direction of a WebSocket. */
export class FrameFollower {
  /** Of the frame that is under way: bytes of its head that are here, and how many there will be as far as is known. */
  readonly #head = Buffer.alloc(14)
  #headBytes = 0
  #neededBytes = 2
  #payloadLeft = 0

  /** Whether a frame may be inserted here. */
  get isBetweenFrames(): boolean {
    return this.#headBytes === 0 && this.#payloadLeft === 0
  }

  /** Takes note of bytes that are passed on. */
  follow(part: Buffer): void {
    let at = 0
    while (at < part.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, part.length - at)
        this.#payloadLeft -= taken
        at += taken
        continue
      }
      this.#head[this.#headBytes] = part[at] ?? 0
      this.#headBytes += 1
      at += 1
      if (this.#headBytes === 2) this.#neededBytes = headBytesOf(this.#head[1] ?? 0)
      if (this.#headBytes === this.#neededBytes) this.#beginPayload()
    }
  }

  #beginPayload(): void {
    const length = (this.#head[1] ?? 0) & 0x7f
    if (length < 126) this.#payloadLeft = length
    else if (length === 126) this.#payloadLeft = this.#head.readUInt16BE(2)
    else this.#payloadLeft = this.#head.readUInt32BE(2) * 2 ** 32 + this.#head.readUInt32BE(6)
    this.#headBytes = 0
    this.#neededBytes = 2
  }
}

function headBytesOf(second: number): number {
  const length = second & 0x7f
  const lengthBytes = length < 126 ? 0 : length === 126 ? 2 : 8
  return 2 + lengthBytes + (second >= 0x80 ? 4 : 0)
}
