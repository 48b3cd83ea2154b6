// One request on its way through the gateway: a call to the service on one side, the client's response on the other. It
// writes nothing to the client before the service has answered, and never lets a message look complete that is not: after the
// first byte a failure destroys the client's connection.

import type { AccessClaims } from '../access-tokens/index.ts'
import { type ErrorCode, problem } from '../errors/index.ts'
import { longRunning } from '../http-edge/long-requests.ts'
import type { Call, CallConnection, CallFailure, OutgoingRequest } from './client/call.ts'
import type { ResponseHead } from './client/response-head.ts'
import type { ExchangeOptions } from './exchange-options.ts'
import { codeOf, detailOf, maySendElsewhere, safeMethods } from './failures.ts'
import { passHintsOn, passTrailersOn } from './headers/hints-and-trailers.ts'
import { isEventStream, shortBytesOf, writeResponseHead } from './headers/response-head.ts'
import type { ExchangePlace } from './route/places.ts'
import { Upload } from './upload.ts'
import { findInstance } from './upstream/balancing.ts'
import type { Watched } from './upstream/upstreams.ts'

type Phase = 'awaiting' | 'receiving' | 'settled'

export class Exchange implements Call, Watched {
  place = -1
  readonly #options: ExchangeOptions
  readonly #upload: Upload | undefined
  #phase: Phase = 'awaiting'
  #connection: CallConnection | undefined
  #mayRepeat = false
  readonly #place: ExchangePlace
  /** What is sent, again where it may be; no closure, which would keep it alive for long. */
  #message: OutgoingRequest | undefined
  #retriesLeft: number
  #waitsForTurn = false
  #drainAwaited = false
  #shortBytes = -1
  /** Whether Node still holds the head, to send it together with what comes next. */
  #headWaits = false
  /** A body that came in one part, until its end is sure. */
  #shortBody: string | undefined
  /** When something last moved. */
  #sinceMs: number

  constructor(options: ExchangeOptions, hasBody: boolean) {
    this.#options = options
    this.#place = options.place
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
    upstreams.watch(this)
    longRunning.begin(request.socket)
    response.on('close', this.#onClientClosed)
    // A pipelined response waits for its turn on the connection, and before Node 26 did not hear of the connection's end.
    // There are as many listeners as requests wait, which is no leak.
    this.#waitsForTurn = response.socket === null
    if (this.#waitsForTurn) request.socket.setMaxListeners(0).once('close', this.#onClientClosed)
    const method = request.method ?? 'GET'
    const body = this.#upload ?? this.#options.body ?? null
    this.#message = { method, path, fields, body, bodyBytes: Number(request.headers['content-length'] ?? -1) }
    this.#mayRepeat = this.#upload === undefined && safeMethods.has(method)
    upstreams.send(this.#options.route, this.#place.instance, this.#message, this)
  }

  onConnecting(connection: CallConnection): void {
    this.#connection = connection
  }

  onSending(connection: CallConnection): boolean {
    if (this.#phase === 'settled') return false
    this.#connection = connection
    this.#progress()
    return true
  }

  onInformation(head: ResponseHead): void {
    if (this.#phase === 'awaiting') passHintsOn(head, this.#options)
  }

  onHead(head: ResponseHead): void {
    const { upstreams, route, reply } = this.#options
    const { statusCode } = head
    if (statusCode > 501 || this.#place.instance.failures > 0)
      upstreams.responded(route, this.#place.instance, statusCode)
    if (isEventStream(head) && !this.#place.becomeStream()) {
      this.#fail('overloaded', 'stream_share')
      this.#abort('stream_share')
      return
    }
    const fault = writeResponseHead(this.#options, head, this.#leavesBodyUnread)
    if (fault !== undefined) {
      this.#fail('upstream_bad_response', fault)
      this.#abort(fault)
      return
    }
    this.#phase = 'receiving'
    this.#headWaits = true
    this.#shortBytes = shortBytesOf(head)
    const sentMs = this.#sinceMs
    this.#progress()
    route.meter.responded(statusCode, this.#sinceMs - sentMs)
    reply.hijack()
  }

  onBody(part: Buffer): void {
    this.#progress()
    if (part.length === this.#shortBytes) {
      // With its head in one write; latin1 is bytes as they are.
      this.#shortBody = part.toString('latin1')
      return
    }
    this.#headWaits = false
    if (this.#options.response.write(Buffer.from(part))) return
    this.#connection?.pause(this)
    if (this.#drainAwaited) return
    this.#drainAwaited = true
    this.#options.response.on('drain', this.#onDrained)
  }

  // Of a stream of events the first may be a long time coming, and its client waits for the head.
  onReadEnd(): void {
    if (!this.#headWaits || this.#phase !== 'receiving') return
    this.#headWaits = false
    this.#options.response.flushHeaders()
  }

  onEnd(trailers: readonly string[]): void {
    this.#place.release()
    if (this.#phase === 'settled') return
    if (trailers.length > 0) passTrailersOn(trailers, this.#options)
    this.#finish()
  }

  onFailure(failure: CallFailure): void {
    const { upstreams, route } = this.#options
    if (this.#phase === 'awaiting') {
      if (this.#repeats(failure)) return
      if (failure.kind === 'lacking') upstreams.lacks(failure.word)
      else if (failure.kind === 'unsent') upstreams.failed(route, this.#place.instance, 'unsent')
      else if (failure.kind === 'closed' || failure.kind === 'broken') {
        upstreams.failed(route, this.#place.instance, 'unavailable')
      }
      if (this.#tryAnother(failure)) return
    }
    this.#place.release()
    if (this.#phase === 'awaiting') this.#fail(codeOf(failure), detailOf(failure), failure)
    else if (this.#phase === 'receiving') this.#cut()
  }

  // A kept connection that the service has closed meanwhile says nothing about the service.
  #repeats({ kind }: CallFailure): boolean {
    const { upstreams, route } = this.#options
    if (kind !== 'closed' || !this.#mayRepeat || upstreams.closing || this.#message === undefined) return false
    this.#mayRepeat = false
    this.#connection = undefined
    upstreams.sendAnew(route, this.#place.instance, this.#message, this)
    return true
  }

  #tryAnother(failure: CallFailure): boolean {
    const { upstreams, route, request } = this.#options
    const message = this.#message
    if (this.#retriesLeft === 0 || upstreams.closing || message === undefined) return false
    const mayAttempt = maySendElsewhere(failure, request.method ?? '', this.#upload)
    const other = mayAttempt ? findInstance(route, 'requests', upstreams.now(), this.#place.instance) : undefined
    if (other === undefined) return false
    this.#retriesLeft -= 1
    this.#place.moveTo(other, message.fields)
    this.#connection = undefined
    upstreams.send(route, other, message, this)
    return true
  }

  endIfLate(nowMs: number): void {
    const { route, response } = this.#options
    const idleMs = nowMs - this.#sinceMs
    if (this.#upload?.isTooSlow(nowMs) === true) {
      if (this.#phase === 'awaiting') this.#fail('request_timeout', 'client_body_slow')
      else this.#cut()
      this.#abort('late')
    } else if (this.#phase === 'awaiting') {
      this.#endIfSilent(idleMs)
    } else if (idleMs > route.bodyIdleMs && response.socket !== null) {
      // Behind an unfinished response of the same connection nothing can move; that one is watched itself.
      this.#cut()
      this.#abort('body_idle')
    }
  }

  get access(): AccessClaims | null {
    return this.#options.access
  }

  /** An open response; one that has not begun is the request's own matter. */
  get endsAtExpiry(): boolean {
    return this.#phase === 'receiving' && this.#options.route.cutsAtExpiry
  }

  end(detail: string): void {
    if (this.#phase === 'receiving') this.#cut()
    else this.#fail('invalid_token', `token_${detail}`)
    this.#abort(detail)
  }

  #endIfSilent(idleMs: number): void {
    const { route, upstreams } = this.#options
    const fromClient = this.#upload?.awaitsClient === true
    if (idleMs <= (fromClient ? route.bodyIdleMs : route.headersMs)) return
    if (fromClient) {
      this.#fail('request_timeout', 'client_body_idle')
    } else {
      upstreams.failed(route, this.#place.instance, 'unavailable')
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

  /** Before the first byte: the refusal goes the framework's way. */
  #fail(code: ErrorCode, detail: string, cause?: Error): void {
    this.#close()
    this.#options.route.meter.failed += 1
    const headers: Record<string, string> = this.#leavesBodyUnread ? { connection: 'close' } : {}
    this.#options.reply.send(problem(code, { detail, headers, cause, at: this.#place.at }))
  }

  /** After the first byte: the only way to say that a message is not whole. */
  #cut(): void {
    const { request, response } = this.#options
    this.#close()
    // To HTTP/1.0 the end of the connection may be the end of the message, so it must be a reset.
    if (request.httpVersionMinor === 0) response.socket?.resetAndDestroy()
    response.destroy()
  }

  #finish(): void {
    this.#close()
    if (this.#shortBody === undefined) this.#options.response.end()
    else this.#options.response.end(this.#shortBody, 'latin1')
  }

  #abort(detail: string): void {
    this.#connection?.abort(this, detail)
  }

  #close(): void {
    const { upstreams, request } = this.#options
    this.#phase = 'settled'
    upstreams.forget(this)
    // What is left of it is thrown away.
    this.#upload?.destroy()
    if (this.#waitsForTurn) request.socket.off('close', this.#onClientClosed)
    longRunning.end(request.socket)
  }

  readonly #onClientClosed = (): void => {
    if (this.#phase === 'settled') return
    if (this.#phase === 'awaiting') this.#options.route.meter.left += 1
    this.#close()
    this.#abort('client_left')
  }

  readonly #onDrained = (): void => {
    if (this.#phase === 'settled') return
    this.#progress()
    this.#connection?.resume(this)
  }

  #uploadOf({ request, response, route, upstreams }: ExchangeOptions): Upload {
    return new Upload(request, {
      limitBytes: route.bodyLimitBytes,
      minRate: route.minBodyRate,
      graceMs: route.bodyIdleMs,
      now: () => upstreams.now(),
      onStart: () => {
        if (request.headers.expect !== undefined) response.writeContinue()
      },
      onProgress: () => this.#progress(),
      onExcess: () => {
        if (this.#phase === 'receiving') this.#cut()
        else if (this.#phase !== 'settled') this.#fail('body_too_large', 'body_limit')
        this.#abort('body_too_large')
      },
    })
  }
}
