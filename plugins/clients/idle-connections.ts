// Idle connections of clients: kept between two requests for as long as there are not too many; then the one that was idle for the
// longest leaves first. A connection on which a response is owed is not idle, nor one that has not had its first: many of those are
// an attack, which idle ones do not make room for.
import type { Socket } from 'node:net'
import { openResponseOn } from '../http-edge/node-internals.ts'

/** What one is about to cost, in the kernel and here, bytes. */
const connectionBytes = 20_480
const shareOfMemory = 1 / 20
/** So many of the oldest are looked at for one that may leave. */
const maxLooks = 256

/**
 * How many idle connections are kept cheaply: in a twentieth of the memory, and so that a quarter of the places stays for others.
 * @param memoryBytes of this machine or container
 * @param places for connections
 */
export function idleWithin(memoryBytes: number, places: number): number {
  const affordable = Math.floor((memoryBytes * shareOfMemory) / connectionBytes)
  return Math.max(1, Math.min(affordable, Math.floor((places * 3) / 4)))
}

export class IdleConnections {
  /** The one that was idle for the longest first. */
  readonly #idle = new Set<Socket>()
  /** Those that have not asked for anything yet. */
  readonly #silent = new Set<Socket>()
  /** How many may stay. */
  most = Number.POSITIVE_INFINITY

  /** A client has come. */
  arrived(socket: Socket): void {
    this.#silent.add(socket)
  }

  /** A response is over. */
  add(socket: Socket): void {
    if (socket.destroyed) return
    this.#idle.add(socket)
    if (this.#idle.size > this.most) this.endOldest()
  }

  /** A request has come, or the connection is gone. */
  delete(socket: Socket): void {
    this.#idle.delete(socket)
    this.#silent.delete(socket)
  }

  /** Ends one for a client that comes, unless more clients say nothing than are idle. */
  makeRoom(): void {
    if (this.#silent.size <= this.#idle.size) this.endOldest()
  }

  /**
   * Ends the one that was idle for the longest.
   * @param mayEnd which ones come into question
   * @returns false when none does, as far as was looked
   */
  endOldest(mayEnd: (socket: Socket) => boolean = () => true): boolean {
    let looks = 0
    for (const socket of this.#idle) {
      looks += 1
      if (looks > maxLooks) return false
      // A pipelined request has its turn; it is added again behind its response.
      if (openResponseOn(socket) !== undefined) this.#idle.delete(socket)
      else if (mayEnd(socket)) {
        this.#idle.delete(socket)
        socket.destroy()
        return true
      }
    }
    return false
  }
}
