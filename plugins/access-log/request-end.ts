// The end of a request as its response tells it. Not the hook onResponse: it passes over a response whose client has left, which
// closes and never finishes. The response that refuses a WebSocket finishes and never closes; a tunnel's does neither.
import type { ServerResponse } from 'node:http'

type Listener = (statusCode: number | undefined, isWhole: boolean) => void

export class RequestEnd {
  readonly #response: ServerResponse
  readonly #listener: Listener

  /** @param listener is called once: with the status, undefined where none was sent, and whether the response was whole */
  constructor(response: ServerResponse, listener: Listener) {
    this.#response = response
    this.#listener = listener
    response.on('finish', this.#onEnd).on('close', this.#onEnd)
  }

  readonly #onEnd = (): void => {
    const response = this.#response
    response.off('finish', this.#onEnd).off('close', this.#onEnd)
    this.#listener(response.headersSent ? response.statusCode : undefined, response.writableFinished)
  }
}
