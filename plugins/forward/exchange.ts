// One request on its way through the gateway: undici's handler on one side, the client's response on the other.
// Made by index.ts for each forwarded request. It writes nothing to the client before the service has answered, and never
// lets a message look complete that is not: after the first byte a failure destroys the client's connection.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { type ErrorCode, type Problem, problem } from '../errors.ts'
import { answerFields } from './headers.ts'
import type { CompiledRoute, Instance } from './route.ts'
import { Upload } from './upload.ts'
import type { Upstreams, Watched } from './upstream.ts'

/** How the framework is told: a refusal to write, or that the answer is written here. Fastify's reply is one. */
export interface Answer {
  hijack(): unknown
  send(refusal: Problem): unknown
}

export interface ExchangeOptions {
  upstreams: Upstreams
  route: CompiledRoute
  instance: Instance
  request: IncomingMessage
  response: ServerResponse
  answer: Answer
  requestId: string
  authenticated: boolean
  allowOrigin: string | undefined
  /** Called once, when the client has its answer or has left. */
  onSettled: () => void
}

type Phase = 'awaiting' | 'receiving' | 'settled'

export class Exchange implements Dispatcher.DispatchHandler, Watched {
  readonly #options: ExchangeOptions
  #dispatch: () => void = () => {}
  readonly #upload: Upload | undefined
  #phase: Phase = 'awaiting'
  #controller: Dispatcher.DispatchController | undefined
  #mayRepeat = false
  #drainAwaited = false
  /** When something last moved. */
  #sinceMs: number

  constructor(options: ExchangeOptions, hasBody: boolean) {
    this.#options = options
    this.#sinceMs = options.upstreams.now()
    this.#upload = hasBody ? this.#uploadOf(options) : undefined
  }

  /**
   * Sends the request.
   * @param path origin-form target at the service
   * @param fields header fields, names and values in turn
   */
  start(path: string, fields: string[]): void {
    const { upstreams, route, instance, request, response } = this.#options
    instance.active += 1
    upstreams.watch(this)
    response.on('close', this.#onClientClosed)
    // A pipelined response waits for its turn on the connection, and before Node 26 did not hear of the connection's end.
    // There are as many listeners as requests wait, which is no leak.
    if (response.socket === null) request.socket.setMaxListeners(0).once('close', this.#onClientClosed)
    const method = request.method ?? 'GET'
    const message = { path, method, headers: fields, body: this.#upload ?? null }
    this.#mayRepeat = this.#upload === undefined && safeMethods.has(method)
    this.#dispatch = () => upstreams.dispatch(route, instance, message, this)
    this.#dispatch()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#phase === 'settled') {
      controller.abort(new Error('settled before it was sent'))
      return
    }
    this.#progress()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // RFC 9110 section 15.2: a proxy MAY leave out 1xx answers; the final one follows.
    if (statusCode < 200 || this.#phase === 'settled') return
    const fault = answerFault(statusCode, headers) ?? this.#writeHead(statusCode, headers)
    if (fault !== undefined) {
      this.#fail('upstream_bad_response', fault)
      controller.abort(new Error(fault))
      return
    }
    this.#phase = 'receiving'
    this.#progress()
    this.#options.answer.hijack()
  }

  onResponseData(controller: Dispatcher.DispatchController, part: Buffer): void {
    if (this.#phase === 'settled') return
    this.#progress()
    if (this.#options.response.write(part)) return
    controller.pause()
    if (this.#drainAwaited) return
    this.#drainAwaited = true
    this.#options.response.on('drain', this.#onDrained)
  }

  onResponseEnd(): void {
    this.#options.instance.active -= 1
    if (this.#phase !== 'settled') this.#finish()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#phase === 'awaiting' && this.#mayRepeat && isClosedByService(error)) {
      this.#mayRepeat = false
      // Not before undici is done with the connection that ended.
      queueMicrotask(this.#dispatch)
      return
    }
    this.#options.instance.active -= 1
    if (this.#phase === 'settled') return
    if (this.#phase !== 'receiving') this.#fail(codeOf(error), reasonOf(error), error)
    else if (isWholeWithoutBody(this.#options.response.statusCode, error)) this.#finish()
    else this.#cut()
  }

  endIfLate(nowMs: number): void {
    const { route, response } = this.#options
    const idleMs = nowMs - this.#sinceMs
    if (this.#phase === 'awaiting') {
      this.#endIfUnanswered(idleMs)
    } else if (idleMs > route.bodyIdleMs && response.socket !== null) {
      // Behind an unfinished answer of the same connection nothing can move; that one is watched itself.
      this.#abort('body_idle')
      this.#cut()
    }
  }

  #endIfUnanswered(idleMs: number): void {
    const { route } = this.#options
    const fromClient = this.#upload?.awaitsClient === true
    if (idleMs <= (fromClient ? route.bodyIdleMs : route.headersMs)) return
    if (fromClient) this.#fail('request_timeout', 'client_body_idle')
    else this.#fail('upstream_timeout', 'upstream_headers_timeout')
    this.#abort('late')
  }

  get #leavesBodyUnread(): boolean {
    return this.#upload !== undefined && !this.#options.request.complete
  }

  #progress(): void {
    this.#sinceMs = this.#options.upstreams.now()
  }

  /** Hands the head of the answer to Node. @returns what is wrong with it, if it cannot be sent */
  #writeHead(statusCode: number, headers: Record<string, string | string[] | undefined>): string | undefined {
    const { response, upstreams, route, requestId, authenticated, allowOrigin } = this.#options
    const fields = answerFields(headers, { route, statusCode, requestId, authenticated, allowOrigin })
    // RFC 9112 section 9.6: who will not read the rest of a request says that the connection ends.
    if (upstreams.closing || this.#leavesBodyUnread) fields.push('connection', 'close')
    // Fields that hooks have set are of the gateway's own answers.
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    try {
      response.writeHead(statusCode, fields)
      return undefined
    } catch {
      return 'upstream_header_field'
    }
  }

  /** Before the first byte: the refusal goes the framework's way. */
  #fail(code: ErrorCode, reason: string, cause?: Error): void {
    this.#settle()
    const headers: Record<string, string> = this.#leavesBodyUnread ? { connection: 'close' } : {}
    this.#options.answer.send(problem(code, { reason, headers, cause }))
  }

  /** After the first byte: the only way to say that a message is not whole. */
  #cut(): void {
    const { request, response } = this.#options
    this.#settle()
    // To HTTP/1.0 the end of the connection may be the end of the message, so it must be a reset.
    if (request.httpVersionMinor === 0) response.socket?.resetAndDestroy()
    response.destroy()
  }

  #finish(): void {
    this.#settle()
    this.#options.response.end()
  }

  #abort(reason: string): void {
    this.#controller?.abort(new Error(reason))
  }

  #settle(): void {
    const { upstreams, request, onSettled } = this.#options
    this.#phase = 'settled'
    upstreams.forget(this)
    request.socket.off('close', this.#onClientClosed)
    onSettled()
  }

  readonly #onClientClosed = (): void => {
    if (this.#phase === 'settled') return
    this.#settle()
    this.#abort('client left')
    this.#upload?.destroy()
  }

  readonly #onDrained = (): void => {
    if (this.#phase === 'settled') return
    this.#progress()
    this.#controller?.resume()
  }

  #uploadOf({ request, response, route }: ExchangeOptions): Upload {
    return new Upload(request, {
      limitBytes: route.bodyLimitBytes,
      onStart: () => {
        if (request.headers.expect !== undefined) response.writeContinue()
      },
      onProgress: () => this.#progress(),
      onExcess: () => {
        if (this.#phase === 'receiving') this.#cut()
        else if (this.#phase !== 'settled') this.#fail('body_too_large', 'body_limit')
        this.#abort('body too large')
      },
    })
  }
}

// RFC 9112 section 9.3.1: a kept connection may be closed by the service just as the next request is on its way. A request that
// asks for no change and has no body is then sent once more; a proxy MUST NOT do so for others (RFC 9110 section 9.2.2).
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

function isClosedByService(error: Error): boolean {
  const name = codeNameOf(error)
  if (name === 'ECONNRESET' || name === 'EPIPE') return true
  return name === 'UND_ERR_SOCKET' && error.message === 'other side closed'
}

// RFC 9112 section 6.1: a coding we did not ask for and do not undo would reach the client as a body of unknown framing.
function answerFault(statusCode: number, headers: Record<string, string | string[] | undefined>): string | undefined {
  if (statusCode > 599) return 'upstream_status'
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked') return 'upstream_transfer_encoding'
  return headers['content-length'] === undefined ? undefined : 'upstream_framing'
}

// RFC 9110 section 8.6: a 304 MAY say the length that a 200 would have. undici waits for that many bytes and finds none.
function isWholeWithoutBody(statusCode: number, error: Error): boolean {
  return statusCode === 304 && codeNameOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}

function codeNameOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

function codeOf(error: Error): ErrorCode {
  const name = codeNameOf(error)
  if (name.startsWith('HPE_') || badAnswerNames.has(name)) return 'upstream_bad_response'
  // The request could not be written as it is: a field that Node takes and undici does not.
  if (name === 'UND_ERR_INVALID_ARG' || name === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') return 'invalid_request'
  if (name === 'UND_ERR_SOCKET' && error.message.startsWith('bad ')) return 'upstream_bad_response'
  return 'upstream_unreachable'
}

const badAnswerNames: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'HTTPParserError',
  'ERR_ASSERTION',
])

function reasonOf(error: Error): string {
  return `upstream_error ${codeNameOf(error)}`
}
