// Connections that have had their last request: one whose framing is in doubt, or that spoke or asked for another protocol. RFC
// 9112 section 9.6: what comes behind it MUST NOT be processed; it may be the body of one that was refused. Filled and asked where
// requests are refused.
import { type IncomingMessage, METHODS } from 'node:http'
import type { Socket } from 'node:net'

export const ended = new WeakSet<Socket>()

const methodsOfHttp: ReadonlySet<string> = new Set(METHODS)

/**
 * Whether a request is one of another protocol, which its connection then ends with. Node's parser takes the methods of RTSP, in
 * lines of RTSP alone; Fastify has no route for them, and runs no hook.
 */
export function isForeign({ method = '', socket }: IncomingMessage): boolean {
  if (methodsOfHttp.has(method)) return false
  ended.add(socket)
  return true
}

/** What is said of one (RFC 9112 section 2.3): how its messages are framed is nothing that we know. */
export const foreign = { detail: 'protocol', headers: { connection: 'close' } }
