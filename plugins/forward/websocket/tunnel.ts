// A WebSocket on its way through the gateway: its handshake with the service, then bytes both ways, each side held back when
// the other is slow. It is watched like every request, so that it ends when it stands still, when its session is revoked and
// when the gateway stops. Nothing is told to the client before the service has proved that it switches.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { AccessClaims } from '../../access-tokens/index.ts'
import { type ErrorCode, problem } from '../../errors/index.ts'
import type { Handshake } from '../../http-edge/websocket-handshake.ts'
import type { Call, CallConnection, CallFailure } from '../client/call.ts'
import { fieldValues, type ResponseHead } from '../client/response-head.ts'
import type { ClientReply } from '../client-response.ts'
import { codeOf, detailOf } from '../failures.ts'
import { responseFields } from '../headers/response-fields.ts'
import type { CompiledRoute } from '../route/compile.ts'
import type { ExchangePlace } from '../route/places.ts'
import type { Upstreams, Watched } from '../upstream/upstreams.ts'
import { bearerProtocol, isAccepted, type Offer } from './handshake.ts'
import { HandshakeBuffer } from './handshake-buffer.ts'

export interface TunnelOptions {
  upstreams: Upstreams
  route: CompiledRoute
  place: ExchangePlace
  request: IncomingMessage
  handshake: Handshake
  offer: Offer
  reply: ClientReply
  requestId: string
  access: AccessClaims | null
  limitFields: readonly string[] | null
  /**
   * Called once, when all is over.
   * @param hadSwitched else the framework has the response, or nobody waits for one
   */
  onFinished: (hadSwitched: boolean) => void
}

export class Tunnel implements Call, Watched {
  place = -1
  readonly #options: TunnelOptions
  #connection: CallConnection | undefined
  #service: Socket | undefined
  #early: HandshakeBuffer | undefined
  #isFinished = false
  /** When something last moved. */
  #sinceMs: number
  #openedMs = 0
  #movedBytes = 0

  constructor(options: TunnelOptions) {
    this.#options = options
    this.#sinceMs = options.upstreams.now()
  }

  /** Sends the handshake. @param fields names and values in turn */
  start(path: string, fields: string[]): void {
    const { upstreams, route, place, handshake } = this.#options
    upstreams.watch(this)
    handshake.socket.once('close', this.#onClosed)
    this.#early = new HandshakeBuffer(handshake.socket, handshake.head, this.#onClosed)
    const handshakeRequest = [...fields, 'connection', 'Upgrade', 'upgrade', 'websocket']
    upstreams.send(
      route,
      place.instance,
      { method: 'GET', path, fields: handshakeRequest, body: null, bodyBytes: -1 },
      this,
    )
  }

  get access(): AccessClaims | null {
    return this.#options.access
  }

  get endsAtExpiry(): boolean {
    return this.#service !== undefined && this.#options.route.cutsAtExpiry
  }

  end(detail: string): void {
    if (this.#service === undefined) this.#fail('invalid_token', `token_${detail}`)
    else this.#finish()
  }

  /** Ends it because the gateway stops: nothing is wrong with the client's token. */
  stop(): void {
    if (this.#service === undefined) this.#fail('overloaded', 'gateway_stops')
    else this.#finish()
  }

  endIfLate(nowMs: number): void {
    const { route, upstreams, place } = this.#options
    if (this.#service === undefined) {
      if (nowMs - this.#sinceMs <= route.headersMs) return
      upstreams.failed(route, place.instance, 'unavailable')
      this.#fail('upstream_timeout', 'upstream_headers_timeout')
    } else if (this.#hasMoved()) {
      this.#sinceMs = nowMs
    } else if (nowMs - this.#sinceMs > route.websocketIdleMs) {
      this.#finish()
    }
  }

  onConnecting(connection: CallConnection): void {
    this.#connection = connection
  }

  onSending(connection: CallConnection): boolean {
    this.#connection = connection
    this.#sinceMs = this.#options.upstreams.now()
    return !this.#isFinished
  }

  onSwitch(head: ResponseHead, service: Socket): void {
    const { upstreams, route, place, request } = this.#options
    if (!isAccepted(request.headers['sec-websocket-key'], fieldValues(head.fields, 'sec-websocket-accept')[0])) {
      service.destroy()
      this.#fail('upstream_bad_response', 'upstream_handshake')
      return
    }
    if (place.instance.failures > 0) upstreams.responded(route, place.instance, head.statusCode)
    this.#open(head, service)
  }

  // No switch: whatever the service says instead, the client hears that it is no WebSocket there, with the service's status.
  onHead({ statusCode }: ResponseHead): void {
    const { upstreams, route, place } = this.#options
    upstreams.responded(route, place.instance, statusCode)
    place.statusCode = statusCode
    // A success that is no switch is nothing that could be passed on.
    if (statusCode < 400) route.meter.failed += 1
    else route.meter.responded(statusCode, upstreams.now() - this.#sinceMs)
    this.#refuse(codeByStatus[statusCode] ?? 'upstream_bad_response', `upstream_refused_handshake ${statusCode}`)
  }

  onBody(): void {}

  onEnd(): void {}

  onFailure(failure: CallFailure): void {
    if (this.#isFinished) return
    const { upstreams, route, place } = this.#options
    if (failure.kind === 'lacking') upstreams.lacks(failure.word)
    else if (failure.kind === 'unsent') upstreams.failed(route, place.instance, 'unsent')
    this.#fail(codeOf(failure), detailOf(failure), failure)
  }

  #open(head: ResponseHead, service: Socket): void {
    const { handshake, place, reply, route, upstreams } = this.#options
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
    socket.pipe(service)
    service.pipe(socket)
  }

  #takeEarly(): Buffer {
    const bytes = this.#early?.take() ?? Buffer.alloc(0)
    this.#early = undefined
    return bytes
  }

  #websocketUpgrade(head: ResponseHead): string {
    const { route, requestId, access, limitFields, offer } = this.#options
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

  /** Before the switch, where no response came that could be passed on. */
  #fail(code: ErrorCode, detail: string, cause?: Error): void {
    if (this.#isFinished) return
    this.#options.route.meter.failed += 1
    this.#refuse(code, detail, cause)
  }

  /** The refusal goes the framework's way. */
  #refuse(code: ErrorCode, detail: string, cause?: Error): void {
    const { handshake, reply, place } = this.#options
    handshake.socket.off('close', this.#onClosed)
    this.#takeEarly()
    this.#forget()
    this.#connection?.abort(this, detail)
    reply.send(problem(code, { detail, cause, at: place.at }))
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#forget()
    this.#connection?.abort(this, 'tunnel_ended')
    this.#service?.destroy()
    this.#options.handshake.socket.destroy()
  }

  #forget(): void {
    const { upstreams, route, place, onFinished } = this.#options
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
      this.#options.route.meter.left += 1
      this.#finish()
      return
    }
    this.#forget()
    endSoon(service)
    endSoon(this.#options.handshake.socket)
  }
}

const codeByStatus: Record<number, ErrorCode> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  429: 'too_many_requests',
  503: 'upstream_unavailable',
}

const lingerMs = 5000

// What was written is still delivered, to a side that takes it.
function endSoon(socket: Socket): void {
  socket.destroySoon()
  const linger = setTimeout(() => socket.destroy(), lingerMs).unref()
  socket.once('close', () => clearTimeout(linger))
}
