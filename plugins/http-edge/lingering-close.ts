// A lingering close ends a connection behind its last response while its client may still be sending: with the end of our
// side alone, and what comes is thrown away for a moment. A close at once would answer those bytes with a reset, which at
// many clients overtakes the response (RFC 9112 section 9.6). Nothing is ever read as a request here.
import type { Socket } from 'node:net'
import { endLastBy } from './node-internals.ts'

/** For the response to arrive, and the client to stop, ms. */
const lingerMs = 500

/**
 * Ends our side of a connection, and soon the rest.
 * @param last still to be sent
 */
export function endLingering(socket: Socket, last = ''): void {
  socket.resume()
  socket.end(last)
  const linger = setTimeout(() => socket.destroy(), lingerMs).unref()
  socket.once('close', () => clearTimeout(linger))
}

/**
 * Has a connection of node:http end so when the response is out that says that it is its last.
 * @param socket of a request of which more is to come
 */
export function lingerAfterLast(socket: Socket): void {
  endLastBy(socket, () => endUnparsed(socket))
}

// Node's parser holds the connection still, and would take what comes behind the rest of the body for a request.
function endUnparsed(socket: Socket): void {
  socket.removeAllListeners('data').on('data', () => {})
  endLingering(socket)
}
