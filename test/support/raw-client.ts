// A client that speaks bytes: for requests that no HTTP library would send, and answers that none would show. Everything goes
// to 127.0.0.1.
import { connect, type Socket } from 'node:net'
import { eventually } from './eventually.ts'

/** What a raw client got. */
export interface RawResponse {
  /** All bytes, as latin1. */
  text: string
  /** Whether the other side ended the connection (with an end or a reset) before the deadline. */
  closed: boolean
  /** Whether that was a reset: what came is not the whole. */
  reset: boolean
}

/**
 * Sends bytes on a connection of its own and collects what comes back.
 * @param bytes latin1; a list is sent part by part, each after the one before was flushed
 * @param until stop when the text satisfies it; without it, when the connection closes
 * @param deadlineMs then it stops and `closed` is false
 */
export async function sendRaw(
  port: number,
  bytes: string | string[],
  { until, deadlineMs = 5000 }: { until?: (text: string) => boolean; deadlineMs?: number } = {},
): Promise<RawResponse> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  let text = ''
  let closed = false
  let reset = false
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, deadlineMs)
    socket.on('data', (part) => {
      text += part.toString('latin1')
      if (until?.(text)) socket.destroy()
    })
    socket.on('error', (error) => {
      reset = 'code' in error && error.code === 'ECONNRESET'
    })
    socket.on('end', () => {
      closed = true
    })
    socket.on('close', () => {
      closed ||= !until?.(text)
      clearTimeout(timer)
      resolve()
    })
  })
  for (const part of [bytes].flat()) {
    if (!socket.destroyed) await new Promise<void>((resolve) => socket.write(part, 'latin1', () => resolve()))
  }
  await done
  socket.destroy()
  return { text, closed, reset }
}

/** A connection that a test speaks on in steps. */
export interface RawClient {
  socket: Socket
  /** Everything received so far, as latin1. */
  text: string
  /** Whether the connection is over. */
  closed: boolean
}

/**
 * Opens a connection; the caller destroys its socket.
 * @param localAddress of the loopback network
 */
export function openRaw(port: number, localAddress = '127.0.0.1'): RawClient {
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
  const client: RawClient = { socket, text: '', closed: false }
  socket.on('error', () => {})
  socket.on('data', (part) => {
    client.text += part.toString('latin1')
  })
  socket.on('close', () => {
    client.closed = true
  })
  return client
}

/** A client that sends a little at a time, until `isDone`. */
export async function drip(socket: Socket, part: string, isDone: () => boolean, everyMs = 50): Promise<void> {
  const timer = setInterval(() => socket.write(part), everyMs)
  await eventually('the drip is done', isDone).finally(() => clearInterval(timer))
}

/** The status of each response in a text of several. */
export function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
}
