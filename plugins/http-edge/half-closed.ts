// Half-closed clients: those that close their side of the connection behind their last request, and wait for the response. Nobody
// can tell one from a client that has left until something is sent: who has left resets the connection then. So nobody is
// waited for in silence for long.
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { allowHalfClosed, openResponseOn } from './node-internals.ts'

/**
 * Responses without an end of their own, such as event streams: who has closed their side of one waits for nothing more, and
 * there is no last request.
 */
export const endless = new WeakSet<ServerResponse>()

const lookEveryMs = 500
/** Who has left resets the connection at the first question; only who writes again notices. */
const questions = 2
/** Looks at a response that has begun and stands still, until its connection ends. */
const stillLooks = 10

/** Has half-closed clients get their responses, and those that have left noticed. @param server twice is as once */
export function serveHalfClosed(server: Server): void {
  allowHalfClosed(server)
  server.on('connection', (socket: Socket) => {
    if (!socket.listeners('end').includes(onEnd)) socket.on('end', onEnd)
  })
}

function onEnd(this: Socket): void {
  const response = openResponseOn(this)
  if (response === undefined) return
  if (endless.has(response)) this.destroy()
  else watch(this)
}

function watch(socket: Socket): void {
  let asked = 0
  let still = 0
  let writtenBytes = socket.bytesWritten
  const look = () => {
    const response = openResponseOn(socket)
    if (response === undefined) return
    if (response.headersSent) {
      // Of one that is slow to read, something is on its way.
      const moves = socket.bytesWritten !== writtenBytes || socket.writableLength > 0
      writtenBytes = socket.bytesWritten
      still = moves ? 0 : still + 1
      if (still === stillLooks) socket.destroy()
    } else if (asked < questions && response.req.httpVersionMinor !== 0) {
      // RFC 9110 section 15.2: every client of HTTP/1.1 takes interim responses, expected or not, and 100 is the one that all know.
      // To one of HTTP/1.0 it would be the response, which is awaited as long as any.
      asked += 1
      response.writeContinue()
    }
  }
  const timer = setInterval(look, lookEveryMs).unref()
  socket.once('close', () => clearInterval(timer))
}
