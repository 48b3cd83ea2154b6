// The body of a client's request on its way to a service: counted, bounded, and held back when the service is slow. It stands
// between the two so that a failing service never destroys the client's own stream, on which a response must still be
// written.
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

export interface UploadOptions {
  limitBytes: number
  /** Bytes a second that the client sends at the least, on average after `graceMs`; 0 for any. */
  minRate: number
  graceMs: number
  /** Monotonic, ms. */
  now: () => number
  /** Called when the first byte is wanted: the moment to send 100 Continue. */
  onStart: () => void
  /** Called for each part that arrived, and at the end. */
  onProgress: () => void
  /** Called once, instead of passing on the part that exceeds the limit. */
  onExcess: () => void
}

/** The longest body that is kept to be sent again, bytes. */
const longestKeptBytes = 65_536

export class Upload extends Readable {
  readonly #source: IncomingMessage
  readonly #options: UploadOptions
  #started = false
  #receivedBytes = 0
  /** What has come; undefined when it was too much to be kept. */
  #kept: Buffer[] | undefined = []
  #hasEnded = false
  /** How long the client was free to send, until it was last held back. */
  #freeMs = 0
  /** Since when it is free to send. */
  #freeSinceMs = 0

  constructor(source: IncomingMessage, options: UploadOptions) {
    super()
    this.#source = source
    this.#options = options
  }

  /** Whether nobody has asked for a byte of it. */
  get isUntouched(): boolean {
    return !this.#started
  }

  /** Whether the client is free to send and has not: false while the service holds it back, and after the end. */
  get awaitsClient(): boolean {
    return this.#started && !this.#source.complete && !this.#source.isPaused()
  }

  /** Whether the client sends so slowly that it holds its place at the service for nothing. */
  isTooSlow(nowMs: number): boolean {
    const { minRate, graceMs } = this.#options
    if (minRate === 0 || !this.awaitsClient) return false
    return this.#freeMs + nowMs - this.#freeSinceMs > graceMs + (this.#receivedBytes / minRate) * 1000
  }

  /**
   * The whole body, to be sent again in the place of the upload.
   * @returns undefined when it is not here, or too long to have been kept
   */
  get whole(): Buffer | undefined {
    return this.#hasEnded && this.#kept !== undefined ? Buffer.concat(this.#kept) : undefined
  }

  /** Keeps nothing any more: there is a response. */
  forget(): void {
    this.#kept = undefined
  }

  override _read(): void {
    if (!this.#started) this.#start()
    else if (this.#source.isPaused()) {
      this.#freeSinceMs = this.#options.now()
      this.#source.resume()
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.off('data', this.#onData).off('end', this.#onEnd)
    // What still comes is thrown away, so that the client reads our response; the connection closes after it.
    this.#source.resume()
    callback(error)
  }

  #start(): void {
    this.#started = true
    this.#freeSinceMs = this.#options.now()
    this.#options.onStart()
    this.#source.on('data', this.#onData).on('end', this.#onEnd)
  }

  readonly #onData = (part: Buffer): void => {
    this.#receivedBytes += part.length
    if (this.#receivedBytes > this.#options.limitBytes) {
      this.#options.onExcess()
      return
    }
    this.#options.onProgress()
    if (this.#receivedBytes > longestKeptBytes) this.#kept = undefined
    this.#kept?.push(part)
    if (this.push(part)) return
    this.#freeMs += this.#options.now() - this.#freeSinceMs
    this.#source.pause()
  }

  readonly #onEnd = (): void => {
    this.#options.onProgress()
    this.#hasEnded = true
    this.push(null)
  }
}
