// Errors of sockets, heard from the first moment to the last. An `error` event that nobody hears ends the process, and Node takes
// its own listener off a socket that it hands over (`connect`, `upgrade`). Nothing is to be done about one: Node destroys the socket
// behind it, and what was under way on it hears of its `close`.
import type { EventEmitter } from 'node:events'

/** Has errors heard, for as long as there is something to err. @param one a socket, or what stands for one; twice is as once */
export function hearErrors(one: EventEmitter): void {
  if (!one.listeners('error').includes(ignore)) one.on('error', ignore)
}

function ignore(): void {}
