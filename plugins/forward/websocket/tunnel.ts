// A WebSocket on its way through the gateway: its handshake with the service, then bytes both ways, each side held back when
// the other is slow. It is watched like every request, so that it ends when it stands still, when its session is revoked and
// when the gateway stops; its client is then told by a close frame. Nothing is told to the client before the service has proved that
// it switches; the response of one that does not is an exchange's.
import type { Socket } from 'node:net'
import type { AccessClaims } from '../../access-tokens/index.ts'
import { type ErrorCode, problem } from '../../errors/index.ts'
import { endLingering } from '../../http-edge/lingering-close.ts'
import type { Handshake } from '../../http-edge/websocket-handshake.ts'
import type { Call, CallConnection, CallFailure } from '../client/call.ts'
import { fieldValues, type ResponseHead } from '../client/response-head.ts'
import { Exchange, type ExchangeOptions } from '../exchange.ts'
import { codeOf, detailOf } from '../failures.ts'
import { responseFields } from '../headers/response-fields.ts'
import type { Watched } from '../upstream/upstreams.ts'
import { closeCodes, closeFrame, FrameFollower } from './frames.ts'
import { bearerProtocol, isAccepted, type Offer } from './handshake.ts'
import { HandshakeBuffer } from './handshake-buffer.ts'

export interface TunnelOptions {
  /** The handshake as a request, which it is until the service switches. */
  exchange: ExchangeOptions
  handshake: Handshake
  offer: Offer
  /**
   * Called once, when it is over.
   * @param hadSwitched else the client has a response, or nobody waits for one
   */
  onFinished: (hadSwitched: boolean) => void
}

export class Tunnel implements Call, Watched {
  place = -1
  readonly #options: TunnelOptions
  /** What passes on the response of a service that does not switch. */
  #refused: Exchange | undefined
  #connection: CallConnection | undefined
  #service: Socket | undefined
  #early: HandshakeBuffer | undefined
  #message: [path: string, fields: string[]] = ['', []]
  readonly #frames = new FrameFollower()
  #isFinished = false
  /** When something last moved. */
  #sinceMs: number
  #openedMs = 0
  #movedBytes = 0

  constructor(options: TunnelOptions) {
    this.#options = options
    this.#sinceMs = options.exchange.upstreams.now()
  }

  /** Sends the handshake. @param fields names and values in turn */
  start(path: string, fields: string[]): void {
    const { handshake, exchange } = this.#options
    const { upstreams, route, place } = exchange
    upstreams.watch(this)
    handshake.socket.once('close', this.#onClosed)
    this.#early = new HandshakeBuffer(handshake.socket, handshake.head, this.#onClosed)
    this.#message = [path, [...fields, 'connection', 'Upgrade', 'upgrade', 'websocket']]
    const request = { method: 'GET', path, fields: this.#message[1], body: null, bodyBytes: -1 }
    upstreams.send(route, place.instance, request, this)
  }

  get access(): AccessClaims | null {
    return this.#options.exchange.access
  }

  get endsAtExpiry(): boolean {
    return this.#service !== undefined && this.#options.exchange.route.cutsAtExpiry
  }

  end(detail: string): void {
    if (this.#service === undefined) this.#fail('invalid_token', `token_${detail}`)
    else this.#finish(detail === 'expired' ? closeCodes.goingAway : closeCodes.policyViolation)
  }

  /** Ends it because the gateway stops: nothing is wrong with the client's token. */
  stop(): void {
    if (this.#service === undefined) this.#fail('overloaded', 'gateway_stops')
    else this.#finish(closeCodes.goingAway)
  }

  endIfLate(nowMs: number): void {
    const { route, upstreams, place } = this.#options.exchange
    if (this.#service === undefined) {
      if (nowMs - this.#sinceMs <= route.headersMs) return
      upstreams.failed(route, place.instance, 'unavailable')
      this.#fail('upstream_timeout', 'upstream_headers_timeout')
    } else if (this.#hasMoved()) {
      this.#sinceMs = nowMs
    } else if (nowMs - this.#sinceMs > route.websocketIdleMs) {
      this.#finish(closeCodes.goingAway)
    }
  }

  onConnecting(connection: CallConnection): void {
    this.#connection = connection
  }

  onSending(connection: CallConnection): boolean {
    this.#connection = connection
    this.#sinceMs = this.#options.exchange.upstreams.now()
    return !this.#isFinished
  }

  onSwitch(head: ResponseHead, service: Socket): void {
    const { upstreams, route, place, request } = this.#options.exchange
    if (!isAccepted(request.headers['sec-websocket-key'], fieldValues(head.fields, 'sec-websocket-accept')[0])) {
      service.destroy()
      this.#fail('upstream_bad_response', 'upstream_handshake')
      return
    }
    if (place.instance.failures > 0) upstreams.responded(route, place.instance, head.statusCode)
    this.#open(head, service)
  }

  // No switch. RFC 6455 section 4.1: the client handles the response as any other, such as 401, 302 or 429; so it is one.
  onHead(head: ResponseHead): void {
    const { exchange, handshake, onFinished } = this.#options
    const connection = this.#connection
    if (connection === undefined) return
    this.#takeEarly()
    // What the client sends behind its handshake was meant for a WebSocket.
    handshake.socket.resume()
    this.#isFinished = true
    exchange.upstreams.forget(this)
    this.#refused = new Exchange(exchange, ...this.#message)
    // To the connection it is this call still.
    const own: CallConnection = {
      isReused: false,
      pause: () => connection.pause(this),
      resume: () => connection.resume(this),
      abort: (_call, detail) => connection.abort(this, detail),
    }
    this.#refused.takeOver(own, this.#sinceMs)
    onFinished(false)
    this.#refused.onHead(head)
  }

  onBody(part: Buffer): void {
    this.#refused?.onBody(part)
  }

  onReadEnd(): void {
    this.#refused?.onReadEnd()
  }

  onEnd(trailers: readonly string[]): void {
    this.#refused?.onEnd(trailers)
  }

  onFailure(failure: CallFailure): void {
    if (this.#refused !== undefined) this.#refused.onFailure(failure)
    if (this.#isFinished) return
    const { upstreams, route, place } = this.#options.exchange
    if (failure.kind === 'lacking') upstreams.lacks(failure.word)
    else if (failure.kind === 'unsent') upstreams.failed(route, place.instance, 'unsent')
    this.#fail(codeOf(failure), detailOf(failure), failure)
  }

  #open(head: ResponseHead, service: Socket): void {
    const { exchange, handshake } = this.#options
    const { place, reply, route, upstreams } = exchange
    const { socket, response } = handshake
    this.#service = service
    place.statusCode = 101
    this.#openedMs = upstreams.now()
    route.meter.responded(101, this.#openedMs - this.#sinceMs)
    this.#sinceMs = this.#openedMs
    reply.hijack()
    response.detachSocket(socket)
    service.once('close', this.#onClosed)
    socket.write(this.#websocketUpgrade(head), 'latin1')
    const early = this.#takeEarly()
    if (early.length > 0) service.write(early)
    service.on('data', (part: Buffer) => this.#frames.follow(part))
    socket.pipe(service)
    service.pipe(socket)
  }

  #takeEarly(): Buffer {
    const bytes = this.#early?.take() ?? Buffer.alloc(0)
    this.#early = undefined
    return bytes
  }

  #websocketUpgrade(head: ResponseHead): string {
    const { exchange, offer } = this.#options
    const { route, requestId, access, limitFields } = exchange
    const authenticated = access !== null
    const context = { route, statusCode: 101, requestId, authenticated, byCookie: false, allowOrigin: undefined }
    const fields = ['connection', 'Upgrade', 'upgrade', 'websocket', ...responseFields(head, context)]
    if (limitFields !== null) fields.push(...limitFields)
    if (offer.hadBearer && fieldValues(head.fields, 'sec-websocket-protocol').length === 0) {
      fields.push('sec-websocket-protocol', bearerProtocol)
    }
    let text = 'HTTP/1.1 101 Switching Protocols\r\n'
    for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
    return `${text}\r\n`
  }

  // Counted by the sockets themselves: a part on its way costs nothing here.
  #hasMoved(): boolean {
    const bytes = this.#options.handshake.socket.bytesRead + (this.#service?.bytesRead ?? 0)
    const hasMoved = bytes !== this.#movedBytes
    this.#movedBytes = bytes
    return hasMoved
  }

  /** Before the switch, where no response came: the refusal goes the framework's way. */
  #fail(code: ErrorCode, detail: string, cause?: Error): void {
    if (this.#isFinished) return
    const { exchange, handshake } = this.#options
    const { place, reply, route } = exchange
    route.meter.failed += 1
    handshake.socket.off('close', this.#onClosed)
    this.#takeEarly()
    this.#forget()
    this.#connection?.abort(this, detail)
    reply.send(problem(code, { detail, cause, at: place.at }))
  }

  /** @param code what the client is told, where a frame may stand now (RFC 6455 section 7.4.1) */
  #finish(code?: number): void {
    if (this.#isFinished) return
    const service = this.#service
    const { socket } = this.#options.handshake
    this.#forget()
    this.#connection?.abort(this, 'tunnel_ended')
    if (service === undefined || code === undefined || !this.#frames.isBetweenFrames) socket.destroy()
    else {
      service.unpipe(socket)
      socket.off('close', this.#onClosed).unpipe(service)
      endLingering(socket, closeFrame(code))
    }
    service?.destroy()
  }

  #forget(): void {
    const { exchange, onFinished } = this.#options
    const { upstreams, route, place } = exchange
    const hadSwitched = this.#service !== undefined
    this.#isFinished = true
    place.release()
    upstreams.forget(this)
    if (hadSwitched) route.meter.tunnelEnded(upstreams.now() - this.#openedMs)
    onFinished(hadSwitched)
  }

  // One side is gone: what it said last still reaches the other one.
  readonly #onClosed = (): void => {
    if (this.#isFinished) return
    const service = this.#service
    if (service === undefined) {
      this.#options.exchange.route.meter.left += 1
      this.#finish()
      return
    }
    this.#forget()
    endSoon(service)
    endSoon(this.#options.handshake.socket)
  }
}

const lingerMs = 5000

// What was written is still delivered, to a side that takes it.
function endSoon(socket: Socket): void {
  socket.destroySoon()
  const linger = setTimeout(() => socket.destroy(), lingerMs).unref()
  socket.once('close', () => clearTimeout(linger))
}
