// One connection to a service and the request that is on it: never more than one, so that no response can reach another
// request . Whatever comes unasked, late or malformed ends it; nothing is repaired.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import type { Listed } from '../../collections/dense-set.ts'
import { isLack } from '../../errors/shortage.ts'
import { takeWriteErrors } from '../../http-edge/node-internals.ts'
import { type Call, CallFailure, type FailureKind, type OutgoingRequest } from './call.ts'
import { OutgoingBody } from './request-body.ts'
import { requestHead } from './request-head.ts'
import { ResponseError, type ResponseHead } from './response-head.ts'
import { ResponseParser, type ResponseSink } from './response-parser.ts'

/** Who keeps connections. */
export interface ConnectionKeeper {
  /** It can take another request. */
  onIdle(connection: Connection): void
  /** It is gone, or another protocol's. */
  onGone(connection: Connection): void
}

export class Connection implements ResponseSink, Listed {
  place = -1
  /** How long the service said that it keeps an idle connection, s; -1 when it did not. */
  keepAliveSeconds = -1
  /** Monotonic, ms. */
  idleSinceMs = 0
  readonly openedMs = performance.now()
  isReused = false
  readonly #keeper: ConnectionKeeper
  readonly #parser: ResponseParser
  #socket: Socket | undefined
  #call: Call | undefined
  #body: OutgoingBody | undefined
  #switched: ResponseHead | undefined
  #connectTimer: NodeJS.Timeout | undefined
  #isConnected = false
  #keepsAlive = false
  /** Whether anything of the response has come. */
  #hasBytes = false
  #isPaused = false
  #errorCode = 'closed'

  /** @param headLimitBytes what a response may send as heads and trailers */
  constructor(keeper: ConnectionKeeper, headLimitBytes: number) {
    this.#keeper = keeper
    this.#parser = new ResponseParser(this, headLimitBytes)
  }

  /** Whether it is of no more use. */
  get isClosed(): boolean {
    return this.#socket === undefined || this.#socket.destroyed
  }

  /**
   * Takes a socket that is being connected, and the request that waits for it.
   * @param readyEvent the socket's, after which it is as safe as it will be
   */
  open(socket: Socket, readyEvent: string, connectMs: number, request: OutgoingRequest, call: Call): void {
    assert(this.#socket === undefined, 'a connection has one socket')
    this.#socket = socket
    this.#call = call
    call.onConnecting?.(this)
    this.#connectTimer = setTimeout(() => this.#fail('unsent', 'connect_timeout'), connectMs)
    socket.once(readyEvent, () => {
      clearTimeout(this.#connectTimer)
      this.#isConnected = true
      if (this.#call !== undefined) this.send(request, call)
    })
    // A service may answer before it has read all, and close: the next write fails, and the response is still to be read.
    takeWriteErrors(socket, this.#onWriteError)
    socket.on('error', this.#onError).on('end', this.#onEndOfInput).on('close', this.#onClosed)
  }

  /** Sends a request; the one before it must be over. */
  send(request: OutgoingRequest, call: Call): void {
    assert(this.#call === undefined || this.#call === call, 'the request before this one is over')
    this.#call = call
    if (!call.onSending(this)) {
      this.#fail('aborted', 'not_wanted')
      return
    }
    try {
      this.#write(request)
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error
      this.#fail(error.kind, error.word)
    }
  }

  /** Holds the response back. Nothing happens for a call that is over. */
  pause(call: Call): void {
    if (this.#call !== call || this.#isPaused) return
    this.#isPaused = true
    this.#socket?.pause()
  }

  /** Lets it come again. */
  resume(call: Call): void {
    if (this.#call === call) this.#goOn()
  }

  /** Ends the call, which is told, and with it the connection. Nothing happens for a call that is over. */
  abort(call: Call, word: string): void {
    if (this.#call === call) this.#fail('aborted', word)
  }

  /** Ends whatever there is. */
  destroy(): void {
    if (this.#call === undefined) this.#socket?.destroy()
    else this.#fail(this.#isConnected ? 'closed' : 'unsent', 'gateway_closes')
  }

  /**
   * Bytes of the service.
   * @param buffer only lent, from its first byte to `bytes`
   * @returns false when no more is wanted for now
   */
  onBytes(buffer: Buffer, bytes: number): boolean {
    // Asked for by nobody: the next response could not be trusted to be the next request's.
    if (this.#call === undefined) {
      this.#socket?.destroy()
      return false
    }
    this.#hasBytes = true
    try {
      this.#afterRead(buffer, this.#parser.read(buffer, bytes), bytes)
    } catch (fault) {
      if (!(fault instanceof ResponseError)) throw fault
      this.#fail('malformed', fault.message)
    }
    return !this.#isPaused
  }

  onInformation(head: ResponseHead): void {
    if (head.statusCode !== 101) this.#call?.onInformation?.(head)
    else if (this.#call?.onSwitch === undefined) throw new ResponseError('unasked_switch')
    else this.#switched = head
  }

  onHead(head: ResponseHead): void {
    this.#keepsAlive = head.keepsAlive
    this.keepAliveSeconds = head.keepAliveSeconds
    if (this.#isLate(head)) this.#fail('raced', 'idle_timeout')
    else this.#call?.onHead(head)
  }

  onBody(part: Buffer): void {
    this.#call?.onBody(part)
  }

  onEnd(trailers: readonly string[]): void {
    const call = this.#call
    this.#call = undefined
    call?.onEnd(trailers)
  }

  #write(request: OutgoingRequest): void {
    const socket = this.#socket
    if (socket === undefined) return
    const head = requestHead(request)
    const { body } = request
    this.#hasBytes = false
    this.#parser.begin(request.method === 'HEAD')
    if (body === null) {
      socket.write(head, 'latin1')
      return
    }
    socket.cork()
    socket.write(head, 'latin1')
    if (Buffer.isBuffer(body)) socket.write(body)
    else this.#body = new OutgoingBody(socket, body, request.bodyBytes, this.#onBodyEnded)
    socket.uncork()
  }

  #afterRead(buffer: Buffer, usedBytes: number, bytes: number): void {
    if (this.#switched !== undefined) this.#handOver(this.#switched, buffer.subarray(usedBytes, bytes))
    else if (this.#call !== undefined) this.#call.onReadEnd?.()
    else if (!this.isClosed) {
      // The response is over. What stands behind it was asked for by nobody; half a request leaves no room for another.
      this.#goOn()
      const isHalfSent = this.#body !== undefined || (this.#socket?.writableLength ?? 0) > 0
      if (usedBytes < bytes || !this.#keepsAlive || isHalfSent) this.#end()
      else this.#keeper.onIdle(this)
    }
  }

  #handOver(head: ResponseHead, first: Buffer): void {
    const socket = this.#socket
    const call = this.#call
    this.#socket = undefined
    this.#call = undefined
    this.#keeper.onGone(this)
    if (socket === undefined) return
    socket.off('error', this.#onError).off('end', this.#onEndOfInput).off('close', this.#onClosed)
    socket.removeAllListeners('data').pause()
    if (first.length > 0) socket.unshift(Buffer.from(first))
    call?.onSwitch?.(head, socket)
  }

  // RFC 9110 section 15.5.9: 408 on a connection that was idle is about that, and no response to a request that crossed it; of one
  // whose body is still on its way it may be.
  #isLate({ statusCode, keepsAlive }: ResponseHead): boolean {
    return statusCode === 408 && this.isReused && !keepsAlive && this.#body === undefined
  }

  #goOn(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket?.resume()
  }

  #fail(kind: FailureKind, word: string): void {
    const call = this.#call
    this.#call = undefined
    this.#parser.stop()
    this.#end()
    call?.onFailure(new CallFailure(kind, word))
  }

  #end(): void {
    clearTimeout(this.#connectTimer)
    this.#body?.stop()
    this.#body = undefined
    this.#socket?.destroy()
  }

  // How far it had come when it went.
  get #lossKind(): FailureKind {
    if (!this.#isConnected) return isLack(this.#errorCode) ? 'lacking' : 'unsent'
    return this.#hasBytes ? 'broken' : 'closed'
  }

  readonly #onBodyEnded = (fault: string | undefined): void => {
    if (fault === undefined) this.#body = undefined
    else this.#fail('unsendable', fault)
  }

  // What the service said before it closed may be here already: how it ends is for the reading to say. Its time runs on.
  readonly #onWriteError = (error: Error & { code?: string }): boolean => {
    if (this.#call === undefined) return false
    this.#errorCode = error.code ?? error.name
    this.#body?.stop()
    return true
  }

  readonly #onError = (error: Error & { code?: string }): void => {
    this.#errorCode = error.code ?? error.name
  }

  readonly #onEndOfInput = (): void => {
    if (this.#call === undefined) this.#end()
    else if (this.#parser.end()) this.#end()
    else this.#fail(this.#lossKind, 'other side closed')
  }

  readonly #onClosed = (): void => {
    if (this.#call !== undefined) this.#fail(this.#lossKind, this.#errorCode)
    this.#end()
    this.#keeper.onGone(this)
  }
}
