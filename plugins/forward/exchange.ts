// One request on its way through the gateway: undici's handler on one side, the client's response on the other.
// Made by index.ts for each forwarded request. It writes nothing to the client before the service has answered, and never
// lets a message look complete that is not: after the first byte a failure destroys the client's connection.
import type { Dispatcher } from 'undici'
import { longRunning } from '../connections.ts'
import { type ErrorCode, problem } from '../errors.ts'
import type { AccessClaims } from '../jwt/index.ts'
import { type ReceivedFields, shortBytesOf, writeAnswerHead } from './answer-head.ts'
import { sendElsewhere } from './balancing.ts'
import type { ExchangeOptions } from './exchange-options.ts'
import {
  answerFault,
  codeOf,
  isClosedByService,
  isWholeWithoutBody,
  maySendElsewhere,
  reasonOf,
  safeMethods,
} from './failures.ts'
import type { Instance } from './route.ts'
import { Upload } from './upload.ts'
import type { Watched } from './upstream.ts'

type Phase = 'awaiting' | 'receiving' | 'settled'
type Message = Dispatcher.DispatchOptions & { headers: string[] }

export class Exchange implements Dispatcher.DispatchHandler, Watched {
  place = -1
  readonly #options: ExchangeOptions
  readonly #upload: Upload | undefined
  #phase: Phase = 'awaiting'
  #controller: Dispatcher.DispatchController | undefined
  #mayRepeat = false
  #instance: Instance
  /** What is sent, again where it may be; no closure, which would keep it alive for long. */
  #message: Message | undefined
  #retriesLeft: number
  #waitsForTurn = false
  #drainAwaited = false
  #shortBytes = -1
  /** A body that came in one part, until its end is sure. */
  #shortBody: Buffer | undefined
  /** When something last moved. */
  #sinceMs: number

  constructor(options: ExchangeOptions, hasBody: boolean) {
    this.#options = options
    this.#instance = options.instance
    this.#retriesLeft = options.route.retries
    this.#sinceMs = options.upstreams.now()
    this.#upload = hasBody ? this.#uploadOf(options) : undefined
  }

  /**
   * Sends the request.
   * @param path origin-form target at the service
   * @param fields header fields, names and values in turn
   */
  start(path: string, fields: string[]): void {
    const { upstreams, request, response } = this.#options
    this.#instance.active += 1
    upstreams.watch(this)
    longRunning.begin(request.socket)
    response.on('close', this.#onClientClosed)
    // A pipelined response waits for its turn on the connection, and before Node 26 did not hear of the connection's end.
    // There are as many listeners as requests wait, which is no leak.
    this.#waitsForTurn = response.socket === null
    if (this.#waitsForTurn) request.socket.setMaxListeners(0).once('close', this.#onClientClosed)
    const method = request.method ?? 'GET'
    this.#message = { path, method, headers: fields, body: this.#upload ?? this.#options.body ?? null }
    this.#mayRepeat = this.#upload === undefined && safeMethods.has(method)
    this.#dispatch()
  }

  #dispatch(): void {
    const { upstreams, route } = this.#options
    if (this.#message !== undefined) upstreams.dispatch(route, this.#instance, this.#message, this)
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
    const { upstreams, route } = this.#options
    if (statusCode > 501 || this.#instance.failures > 0) upstreams.answered(route, this.#instance, statusCode)
    const fault = answerFault(statusCode, headers) ?? this.#writeHead(statusCode, headers)
    if (fault !== undefined) {
      this.#fail('upstream_bad_response', fault)
      controller.abort(new Error(fault))
      return
    }
    this.#phase = 'receiving'
    this.#shortBytes = shortBytesOf(headers)
    const sentMs = this.#sinceMs
    this.#progress()
    route.meter.answered(statusCode, this.#sinceMs - sentMs)
    this.#options.answer.hijack()
  }

  onResponseData(controller: Dispatcher.DispatchController, part: Buffer): void {
    if (this.#phase === 'settled') return
    this.#progress()
    if (part.length === this.#shortBytes) {
      this.#shortBody = part
      return
    }
    if (this.#options.response.write(part)) return
    controller.pause()
    if (this.#drainAwaited) return
    this.#drainAwaited = true
    this.#options.response.on('drain', this.#onDrained)
  }

  onResponseEnd(): void {
    this.#instance.active -= 1
    if (this.#phase !== 'settled') this.#finish()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#phase === 'awaiting' && this.#mayRepeat && isClosedByService(error)) {
      this.#mayRepeat = false
      this.#controller = undefined
      // Not before undici is done with the connection that ended.
      queueMicrotask(() => this.#dispatch())
      return
    }
    if (this.#phase === 'awaiting' && codeOf(error) === 'upstream_unreachable') {
      this.#noteFailure(error)
      if (this.#tryAnother(error)) return
    }
    this.#instance.active -= 1
    if (this.#phase === 'settled') return
    if (this.#phase !== 'receiving') this.#fail(codeOf(error), reasonOf(error), error)
    else if (isWholeWithoutBody(this.#options.response.statusCode, error)) this.#finish()
    else this.#cut()
  }

  #noteFailure(error: Error): void {
    const { upstreams, route } = this.#options
    if (this.#isUnsent) upstreams.failed(route, this.#instance, 'unsent')
    else if (isClosedByService(error)) upstreams.failed(route, this.#instance, 'unavailable')
  }

  // No connection, so nothing has left: undici says when it begins to send.
  get #isUnsent(): boolean {
    return this.#controller === undefined
  }

  #tryAnother(error: Error): boolean {
    const { upstreams, route, request } = this.#options
    if (this.#retriesLeft === 0 || upstreams.closing) return false
    const mayTry = maySendElsewhere(error, request.method ?? '', this.#isUnsent, this.#upload)
    const other = mayTry
      ? sendElsewhere(route, this.#instance, this.#message?.headers ?? [], upstreams.now())
      : undefined
    if (other === undefined) return false
    this.#retriesLeft -= 1
    this.#instance = other
    this.#controller = undefined
    queueMicrotask(() => this.#dispatch())
    return true
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

  get access(): AccessClaims | null {
    return this.#options.access
  }

  /** An open answer; one that has not begun is the request's own matter. */
  get endsAtExpiry(): boolean {
    return this.#phase === 'receiving' && this.#options.route.cutsAtExpiry
  }

  end(reason: string): void {
    if (this.#phase === 'receiving') this.#cut()
    else this.#fail('invalid_token', `token_${reason}`)
    this.#abort(reason)
  }

  #endIfUnanswered(idleMs: number): void {
    const { route, upstreams } = this.#options
    const fromClient = this.#upload?.awaitsClient === true
    if (idleMs <= (fromClient ? route.bodyIdleMs : route.headersMs)) return
    if (fromClient) {
      this.#fail('request_timeout', 'client_body_idle')
    } else {
      upstreams.failed(route, this.#instance, 'unavailable')
      this.#fail('upstream_timeout', 'upstream_headers_timeout')
    }
    this.#abort('late')
  }

  get #leavesBodyUnread(): boolean {
    return this.#upload !== undefined && !this.#options.request.complete
  }

  #progress(): void {
    this.#sinceMs = this.#options.upstreams.now()
  }

  #writeHead(statusCode: number, headers: ReceivedFields): string | undefined {
    return writeAnswerHead(this.#options, statusCode, headers, this.#leavesBodyUnread)
  }

  /** Before the first byte: the refusal goes the framework's way. */
  #fail(code: ErrorCode, reason: string, cause?: Error): void {
    this.#settle()
    this.#options.route.meter.failed += 1
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
    // With its head in one write; latin1 is bytes as they are.
    if (this.#shortBody === undefined) this.#options.response.end()
    else this.#options.response.end(this.#shortBody.toString('latin1'), 'latin1')
  }

  #abort(reason: string): void {
    this.#controller?.abort(new Error(reason))
  }

  #settle(): void {
    const { upstreams, request } = this.#options
    this.#phase = 'settled'
    upstreams.forget(this)
    if (this.#waitsForTurn) request.socket.off('close', this.#onClientClosed)
    longRunning.end(request.socket)
  }

  readonly #onClientClosed = (): void => {
    if (this.#phase === 'settled') return
    if (this.#phase === 'awaiting') this.#options.route.meter.left += 1
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
