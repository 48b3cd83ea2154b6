// A service that answers before it has read the whole request, and closes: the next write fails, and Node would destroy the socket
// with the answer in it unread. Called by connection.ts for each of its sockets. Reading goes on until it has an end of its own.
import type { Socket } from 'node:net'

type Done = (error?: Error | null) => void

/**
 * Has failed writes told here instead of ending the socket. After one, nothing more is written.
 * @param onFault is asked what to do; false for what Node does
 */
export function keepReading(socket: Socket, onFault: (error: Error) => boolean): void {
  const { _write: write, _writev: writev } = socket
  // `done` is what the stream waits for: never called, it stands still, and is whole.
  const held = (done: Done): Done => {
    return (error) => {
      if (error === undefined || error === null || !onFault(error)) done(error)
    }
  }
  socket._write = (part, encoding, done) => write.call(socket, part, encoding, held(done))
  if (writev !== undefined) socket._writev = (parts, done) => writev.call(socket, parts, held(done))
}
