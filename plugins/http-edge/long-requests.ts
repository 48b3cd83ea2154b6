// Connections beside their requests: which ones may take long, and how they end when the server stops. It ends no connection
// on which a response is owed.
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { owesResponse } from './connection-refusal.ts'

// How many requests of a connection are being forwarded: more than one when the client pipelines.
const forwardedOn = new WeakMap<Socket, number>()

/**
 * Connections whose request is being forwarded. Their time is kept by the one who forwards: a long upload or download is in
 * order as long as it moves, so neither Node's limit for a whole request nor its idle limit ends it.
 */
export const longRunning = {
  begin: (socket: Socket): void => void forwardedOn.set(socket, (forwardedOn.get(socket) ?? 0) + 1),
  end: (socket: Socket): void => void forwardedOn.set(socket, (forwardedOn.get(socket) ?? 1) - 1),
  has: (socket: Socket): boolean => (forwardedOn.get(socket) ?? 0) > 0,
  count: (socket: Socket): number => forwardedOn.get(socket) ?? 0,
}

/** Silence after which TCP asks whether a client is still there, ms; it asks ten times, a second apart (libuv). */
const silenceMs = 30_000

/** Has a client that vanished without a word noticed within a minute, as long as nothing is being sent to it. */
export function keepProbing(socket: Socket): void {
  // What stands for a connection in a test may have none.
  socket.setKeepAlive?.(true, silenceMs)
}

const arrivalMs = 1000

/** Once the server stops, Node keeps no time for what is still arriving: without this, half a request would hold it open. */
export function endArrivalsAtStop(app: FastifyInstance): void {
  const open = new Set<Socket>()
  let timer: NodeJS.Timeout | undefined
  function forget(this: Socket): void {
    open.delete(this)
  }
  app.server.on('connection', (socket: Socket) => open.add(socket.once('close', forget)))
  app.addHook('preClose', async () => {
    timer = setTimeout(() => endArrivals(open), arrivalMs).unref()
  })
  // A connection may outlive the app, and the next one, and many more (src/process/http-server.ts).
  app.addHook('onClose', async () => {
    clearTimeout(timer)
    for (const socket of open) socket.off('close', forget)
    open.clear()
  })
}

function endArrivals(open: ReadonlySet<Socket>): void {
  for (const socket of open) if (!longRunning.has(socket) && !owesResponse(socket)) socket.destroy()
}
