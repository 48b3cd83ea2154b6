// The response of an exchange as its client gets it. It owns what is on its way there: the head and what came at once with it,
// until that is known to be a response, and whether the client takes more. It never lets a message look complete that is not: what breaks off
// destroys the client's connection.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessClaims } from '../access-tokens/index.ts'
import type { Problem } from '../errors/index.ts'
import { lingerAfterLast } from '../http-edge/lingering-close.ts'
import { longRunning } from '../http-edge/long-requests.ts'
import type { ResponseHead } from './client/response-head.ts'
import { passInterimOn, passTrailersOn } from './headers/hints-and-trailers.ts'
import { responseFields } from './headers/response-fields.ts'
import type { CompiledRoute } from './route/compile.ts'

/** How the framework is told: a refusal to write, or that the response is written here. Fastify's reply is one. */
export interface ClientReply {
  hijack(): unknown
  send(problem: Problem): unknown
}

/** A request and what its response depends on. Plain data: a closure in it would keep the request alive for long. */
export interface ClientResponseOptions {
  route: CompiledRoute
  request: IncomingMessage
  response: ServerResponse
  reply: ClientReply
  requestId: string
  access: AccessClaims | null
  /** The gateway's own CORS decision, where it made one. */
  allowOrigin: string | undefined
  /** What the client is told about its limit: names and values in turn. */
  limitFields: readonly string[] | null
}

/** Who writes the response. */
export interface ResponseWriter {
  /** The client takes more, after a `write` or `flush` that returned false. */
  onClientReady(): void
  /** The client is gone, and the response was not whole. @param hadBegun whether anything of it was written */
  onClientLeft(hadBegun: boolean): void
  /** The head cannot be sent; nothing was written. @param detail a word for the log */
  onUnsendable(detail: string): void
}

interface HeldHead {
  head: ResponseHead
  /** The connection ends with this response. */
  isLast: boolean
  /** The client's body was not read to its end. */
  leavesBodyUnread: boolean
}

export class ClientResponse {
  readonly #options: ClientResponseOptions
  readonly #writer: ResponseWriter
  /** `awaited`: nothing has been written. `begun`: the head has. `over`: nothing will be. */
  #state: 'awaited' | 'begun' | 'over' = 'awaited'
  /** Behind another response of the same connection. */
  readonly #waitsForTurn: boolean
  /** A head that is not written yet: what came with it may show that it is no response. */
  #head: HeldHead | undefined
  /** The body that came with it; a character a byte. */
  #body = ''
  #isDrainHeard = false

  constructor(options: ClientResponseOptions, writer: ResponseWriter) {
    const { request, response } = options
    this.#options = options
    this.#writer = writer
    longRunning.begin(request.socket)
    response.on('close', this.#onClosed)
    // A pipelined response waits for its turn on the connection, and before Node 26 did not hear of the connection's end.
    // There are as many listeners as requests wait, which is no leak.
    this.#waitsForTurn = response.socket === null
    if (this.#waitsForTurn) request.socket.setMaxListeners(0).once('close', this.#onClosed)
  }

  get isAwaited(): boolean {
    return this.#state === 'awaited'
  }

  get hasBegun(): boolean {
    return this.#state === 'begun'
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Whether it is its turn on the connection: behind another response nothing can move. */
  get isInTurn(): boolean {
    return this.#options.response.socket !== null
  }

  /** Tells a client that waits to be told so that it may send its body (RFC 9110 section 10.1.1). */
  goOn(): void {
    const { request, response } = this.#options
    if (request.headers.expect !== undefined) response.writeContinue()
  }

  /** Passes an interim response on. */
  inform(head: ResponseHead): void {
    if (this.#state === 'awaited') passInterimOn(head, this.#options, this.#options.route)
  }

  /**
   * Takes the head of a service's response. It is written by `flush` or `end`, together with what came at once.
   * @param isLast whether the connection ends with this response
   * @param leavesBodyUnread whether the client's body was not read to its end
   */
  begin(head: ResponseHead, isLast: boolean, leavesBodyUnread: boolean): void {
    this.#head = { head, isLast, leavesBodyUnread }
  }

  /**
   * Takes a part of the body.
   * @param part only lent
   * @returns false when the client takes no more for now; the writer is then told when it does
   */
  write(part: Buffer): boolean {
    if (this.#head === undefined) return this.#heard(this.#options.response.write(Buffer.from(part)))
    this.#body += part.toString('latin1')
    return true
  }

  /**
   * Writes what is held: all that came at once is a response, and more may be a long time coming.
   * @returns as `write`
   */
  flush(): boolean {
    if (this.#head === undefined || this.#state === 'over' || !this.#writeHead(this.#head)) return true
    const body = this.#body
    this.#body = ''
    // Also without any: `flushHeaders` would write the head as UTF-8.
    return this.#heard(this.#options.response.write(body, 'latin1'))
  }

  /** The response is whole. @param trailers names in lower case and values in turn */
  end(trailers: readonly string[]): void {
    if (this.#head !== undefined && !this.#writeHead(this.#head)) return
    const { response } = this.#options
    if (trailers.length > 0) passTrailersOn(trailers, this.#options)
    this.#close()
    if (this.#body === '') response.end()
    else response.end(this.#body, 'latin1')
  }

  #writeHead({ head, isLast, leavesBodyUnread }: HeldHead): boolean {
    const { request, response, reply, route, requestId, access, allowOrigin, limitFields } = this.#options
    const { statusCode, reason } = head
    const authenticated = access !== null
    const byCookie = authenticated && request.headers.authorization === undefined
    const fields = responseFields(head, { route, statusCode, requestId, authenticated, byCookie, allowOrigin })
    if (limitFields !== null) fields.push(...limitFields)
    // RFC 9112 section 9.6: who will not read the rest of a request says that the connection ends.
    if (isLast || leavesBodyUnread) fields.push('connection', 'close')
    this.#head = undefined
    // Fields that hooks have set are of the gateway's own responses.
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    try {
      response.writeHead(statusCode, reason, fields)
    } catch {
      // Of the refusal that is sent instead, Node finds one.
      response.statusMessage = ''
      this.#writer.onUnsendable('upstream_header_field')
      return false
    }
    if (leavesBodyUnread) lingerAfterLast(request.socket)
    reply.hijack()
    this.#state = 'begun'
    return true
  }

  #heard(takesMore: boolean): boolean {
    if (!takesMore && !this.#isDrainHeard) {
      this.#isDrainHeard = true
      this.#options.response.on('drain', this.#onDrained)
    }
    return takesMore
  }

  /** Nothing has been written: the refusal goes the framework's way. */
  refuse(refusal: Problem): void {
    this.#head = undefined
    this.#close()
    this.#options.reply.send(refusal)
  }

  /** Breaks off, which is the only way to say that a message is not whole. */
  cut(): void {
    const { request, response } = this.#options
    this.#close()
    // To HTTP/1.0 the end of the connection may be the end of the message, so it must be a reset.
    if (request.httpVersionMinor === 0) response.socket?.resetAndDestroy()
    response.destroy()
  }

  #close(): void {
    const { request } = this.#options
    this.#state = 'over'
    if (this.#waitsForTurn) request.socket.off('close', this.#onClosed)
    longRunning.end(request.socket)
  }

  readonly #onClosed = (): void => {
    if (this.#state === 'over') return
    const hadBegun = this.#state === 'begun'
    this.#close()
    this.#writer.onClientLeft(hadBegun)
  }

  readonly #onDrained = (): void => {
    if (this.#state !== 'over') this.#writer.onClientReady()
  }
}
