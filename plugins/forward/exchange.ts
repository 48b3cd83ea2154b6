// One request on its way through the gateway: a call to the service on one side, the client's response on the other. It decides
// what becomes of the one when something happens to the other, and keeps the time. It writes nothing to the client before the
// service has responded.
import type { AccessClaims } from '../access-tokens/index.ts'
import { type ErrorCode, type Problem, problem } from '../errors/index.ts'
import { endless } from '../http-edge/half-closed.ts'
import type { Call, CallConnection, CallFailure, OutgoingRequest } from './client/call.ts'
import { isEventStream, type ResponseHead } from './client/response-head.ts'
import { type ClientReply, ClientResponse, type ClientResponseOptions, type ResponseWriter } from './client-response.ts'
import { codeOf, detailOf, maySendAgain, maySendElsewhere } from './failures.ts'
import type { ExchangePlace } from './route/places.ts'
import { Upload } from './upload.ts'
import { findInstance } from './upstream/balancing.ts'
import type { Upstreams, Watched } from './upstream/upstreams.ts'

export interface ExchangeOptions extends ClientResponseOptions {
  upstreams: Upstreams
  place: ExchangePlace
  /** The body: read already, still to be read, or none. */
  body: Buffer | 'unread' | null
  /** Hears of a response that broke off after it had begun, and why. One for the route. */
  onBroken: (reply: ClientReply, failure: Problem) => void
}

export class Exchange implements Call, Watched, ResponseWriter {
  place = -1
  readonly #options: ExchangeOptions
  readonly #place: ExchangePlace
  readonly #response: ClientResponse
  readonly #upload: Upload | undefined
  /** What is sent, again where it may be; no closure, which would keep it alive for long. */
  readonly #message: OutgoingRequest
  #connection: CallConnection | undefined
  #hasRepeated = false
  #retriesLeft: number
  /** When something last moved, and for how long nothing may. */
  #sinceMs: number
  #idleMs: number

  /**
   * @param path origin-form target at the service
   * @param fields header fields, names and values in turn
   */
  constructor(options: ExchangeOptions, path: string, fields: string[]) {
    const { body, place, request, route, upstreams } = options
    const { method = 'GET' } = request
    this.#options = options
    this.#place = place
    this.#response = new ClientResponse(options, this)
    this.#upload = body === 'unread' ? this.#makeUpload() : undefined
    const bodyBytes = Number(request.headers['content-length'] ?? -1)
    this.#message = { method, path, fields, body: body === 'unread' ? (this.#upload ?? null) : body, bodyBytes }
    this.#retriesLeft = route.retries
    this.#sinceMs = upstreams.now()
    this.#idleMs = route.bodyIdleMs
  }

  /** Sends the request. */
  start(): void {
    const { upstreams, route } = this.#options
    upstreams.watch(this)
    upstreams.send(route, this.#place.instance, this.#message, this)
  }

  get access(): AccessClaims | null {
    return this.#options.access
  }

  /** An open response; one that has not begun is the request's own matter. */
  get endsAtExpiry(): boolean {
    return this.#response.hasBegun && this.#options.route.cutsAtExpiry
  }

  end(detail: string): void {
    this.#giveUp('invalid_token', `token_${detail}`)
  }

  endIfLate(nowMs: number): void {
    const { route, upstreams } = this.#options
    const idleMs = nowMs - this.#sinceMs
    if (this.#upload?.isTooSlow(nowMs) === true) {
      this.#giveUp('request_timeout', 'client_body_slow')
    } else if (!this.#response.isAwaited) {
      // Behind an unfinished response of the same connection nothing can move; that one is watched itself.
      if (idleMs > this.#idleMs && this.#response.isInTurn) this.#giveUp('upstream_timeout', 'body_idle')
    } else if (this.#upload?.awaitsClient === true) {
      if (idleMs > route.bodyIdleMs) this.#giveUp('request_timeout', 'client_body_idle')
    } else if (idleMs > route.headersMs) {
      upstreams.failed(route, this.#place.instance, 'unavailable')
      this.#giveUp('upstream_timeout', 'upstream_headers_timeout')
    }
  }

  onConnecting(connection: CallConnection): void {
    this.#connection = connection
  }

  onSending(connection: CallConnection): boolean {
    if (this.#response.isOver) return false
    this.#connection = connection
    this.#sinceMs = this.#options.upstreams.now()
    return true
  }

  onInformation(head: ResponseHead): void {
    this.#response.inform(head)
  }

  onHead(head: ResponseHead): void {
    const { upstreams, route } = this.#options
    const { statusCode } = head
    const { instance } = this.#place
    if (statusCode > 501 || instance.failures > 0) upstreams.responded(route, instance, statusCode)
    this.#upload?.forget()
    if (isEventStream(head)) {
      this.#idleMs = route.eventStreamIdleMs
      if (!this.#place.becomeStream()) {
        this.#giveUp('overloaded', 'stream_share')
        return
      }
      endless.add(this.#options.response)
    }
    this.#response.begin(head, upstreams.closing, this.#leavesBodyUnread)
    const sentMs = this.#sinceMs
    this.#sinceMs = upstreams.now()
    this.#place.statusCode = statusCode
    route.meter.began(this.#sinceMs - sentMs)
  }

  onBody(part: Buffer): void {
    this.#sinceMs = this.#options.upstreams.now()
    if (!this.#response.write(part)) this.#connection?.pause(this)
  }

  onReadEnd(): void {
    if (!this.#response.flush()) this.#connection?.pause(this)
  }

  onEnd(trailers: readonly string[]): void {
    this.#place.release()
    if (this.#response.isOver) return
    this.#forget()
    this.#options.route.meter.ended(this.#place.statusCode)
    this.#response.end(trailers)
  }

  onFailure(failure: CallFailure): void {
    const { upstreams, route } = this.#options
    if (this.#response.isAwaited) {
      if (this.#repeats(failure)) return
      if (failure.kind === 'lacking') upstreams.lacks(failure.word)
      else if (failure.kind === 'unsent') upstreams.failed(route, this.#place.instance, 'unsent')
      else if (failure.kind === 'closed' || failure.kind === 'broken') {
        upstreams.failed(route, this.#place.instance, 'unavailable')
      }
      if (this.#tryAnother(failure)) return
    }
    this.#place.release()
    this.#giveUp(codeOf(failure), detailOf(failure), failure)
  }

  onUnsendable(detail: string): void {
    this.#giveUp('upstream_bad_response', detail)
  }

  onClientReady(): void {
    this.#sinceMs = this.#options.upstreams.now()
    this.#connection?.resume(this)
  }

  onClientLeft(hadBegun: boolean): void {
    const { meter } = this.#options.route
    if (hadBegun) meter.ended(this.#place.statusCode)
    else meter.left += 1
    this.#forget()
    this.#connection?.abort(this, 'client_left')
  }

  // A kept connection that the service has closed meanwhile says nothing about the service.
  #repeats(failure: CallFailure): boolean {
    const { upstreams, route } = this.#options
    const wasKept = this.#connection?.isReused === true
    if (this.#hasRepeated || upstreams.closing || !maySendAgain(failure, this.#message.method, wasKept)) return false
    if (this.#upload !== undefined) {
      const { whole } = this.#upload
      if (whole === undefined) return false
      this.#message.body = whole
    }
    this.#hasRepeated = true
    this.#connection = undefined
    upstreams.sendAnew(route, this.#place.instance, this.#message, this)
    return true
  }

  #tryAnother(failure: CallFailure): boolean {
    const { upstreams, route } = this.#options
    const message = this.#message
    if (this.#retriesLeft === 0 || upstreams.closing) return false
    const mayAttempt = maySendElsewhere(failure, message.method, this.#upload)
    const other = mayAttempt ? findInstance(route, 'requests', upstreams.now(), this.#place.instance) : undefined
    if (other === undefined) return false
    this.#retriesLeft -= 1
    this.#place.moveTo(other, message.fields)
    this.#connection = undefined
    upstreams.send(route, other, message, this)
    return true
  }

  /** Ends it without a whole response: refused while nothing was written, broken off from then on. */
  #giveUp(code: ErrorCode, detail: string, cause?: Error): void {
    if (this.#response.isOver) return
    const { onBroken, reply, route } = this.#options
    const headers: Record<string, string> = this.#leavesBodyUnread ? { connection: 'close' } : {}
    const failure = problem(code, { detail, headers, cause, at: this.#place.at })
    this.#place.failure = failure
    this.#forget()
    if (this.#response.isAwaited) {
      route.meter.failed += 1
      this.#response.refuse(failure)
    } else {
      route.meter.broken += 1
      this.#response.cut()
      onBroken(reply, failure)
    }
    this.#connection?.abort(this, detail)
  }

  #forget(): void {
    this.#options.upstreams.forget(this)
    // What is left of it is thrown away.
    this.#upload?.destroy()
  }

  get #leavesBodyUnread(): boolean {
    return this.#upload !== undefined && !this.#options.request.complete
  }

  #makeUpload(): Upload {
    const { request, route, upstreams } = this.#options
    return new Upload(request, {
      limitBytes: route.bodyLimitBytes,
      minRate: route.minBodyRate,
      graceMs: route.bodyIdleMs,
      now: () => upstreams.now(),
      onStart: () => this.#response.goOn(),
      onProgress: () => {
        this.#sinceMs = upstreams.now()
      },
      onExcess: () => this.#giveUp('body_too_large', 'body_limit'),
    })
  }
}
