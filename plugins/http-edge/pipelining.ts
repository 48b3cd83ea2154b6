// Turns of pipelined requests (RFC 9112 section 9.3.2): how many of one connection are worked on at once, and how many may
// wait. A client that sends one request after the other never meets it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests of a connection that are worked on at once, behind the one whose response is being written. */
const atOnce = 16
/**
 * Requests that have arrived and wait; while one does, nothing more is read. As many may come in one read before that holds, and
 * a client that sends so many small ones without a response is no client.
 */
const maxWaiting = 256

const turnsOf = new WeakMap<Socket, Turns>()

/**
 * Begins with a request when it is its turn: at once, unless its connection has too many unanswered.
 * @param begin called once, or never when the connection ends before
 */
export function inTurn({ socket }: IncomingMessage, response: ServerResponse, begin: () => void): void {
  // It has the connection for itself: no other response is owed there.
  if (response.socket !== null) begin()
  else takeTurns(socket).add(response, begin)
}

function takeTurns(socket: Socket): Turns {
  const known = turnsOf.get(socket)
  if (known !== undefined) return known
  const turns = new Turns(socket)
  turnsOf.set(socket, turns)
  return turns
}

type Waiting = [response: ServerResponse, begin: () => void]

class Turns {
  readonly #socket: Socket
  #busy = 0
  #waiting: Waiting[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    // Whoever reads the rest of another request's body has the connection read, too.
    socket.on('resume', () => {
      if (this.#waiting.length > 0) socket.pause()
    })
  }

  add(response: ServerResponse, begin: () => void): void {
    if (this.#socket.destroyed) return
    if (this.#busy < atOnce) this.#begin(response, begin)
    else if (this.#waiting.length < maxWaiting) this.#wait(response, begin)
    else this.#refuse()
  }

  #begin(response: ServerResponse, begin: () => void): void {
    this.#busy += 1
    response.once('close', this.#onEnd)
    begin()
  }

  // The last one to wait is the only one whose body may not be here yet, and when it begins, reading goes on.
  #wait(response: ServerResponse, begin: () => void): void {
    this.#waiting.push([response, begin])
    this.#socket.pause()
  }

  #refuse(): void {
    this.#waiting = []
    this.#socket.destroy()
  }

  readonly #onEnd = (): void => {
    this.#busy -= 1
    const next = this.#socket.destroyed ? undefined : this.#waiting.shift()
    if (next === undefined) return
    if (this.#waiting.length === 0) this.#socket.resume()
    this.#begin(...next)
  }
}
