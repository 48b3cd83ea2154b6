// The parts of Node that the gateway uses and Node does not document: members without a public name, and what it does by
// calling them. Everything of that kind is here and nowhere else, and test/plugins/http-edge/node-internals.test.ts has a
// test for each that fails when Node changes it.
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import net, { Server, type Socket } from 'node:net'

/** The response that a connection is busy with: `_httpMessage` of a socket of node:http. */
export function openResponseOn(socket: Socket): ServerResponse | undefined {
  // Boundary: a member that Node's types leave out.
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

/**
 * Has another act in place of the end of a connection, when the response is out that says that it is its last: node:http calls
 * `destroySoon` of the socket there, and there alone.
 */
export function endLastBy(socket: Socket, act: () => void): void {
  Object.assign(socket, { destroySoon: act })
}

/** Says which requests for another protocol reach `upgrade`, and which stay requests: `shouldUpgradeCallback`, Node 24.9. */
export function setUpgradeRule(server: object, rule: (request: IncomingMessage) => boolean): void {
  Object.assign(server, { shouldUpgradeCallback: rule })
}

/** The rule that was set on what stands for a server; undefined where none was. */
export function upgradeRuleOf(server: object): ((request: IncomingMessage) => boolean) | undefined {
  return Object.getOwnPropertyDescriptor(server, 'shouldUpgradeCallback')?.value
}

/**
 * Has a client that closes its side behind a whole request get its response: `httpAllowHalfOpen` of a server of node:http. Without
 * it Node closes the other side at once.
 */
export function allowHalfClosed(server: object): void {
  Object.assign(server, { httpAllowHalfOpen: true })
}

/** Stops listening and leaves idle connections open: `close` of node:net, which the one of node:http calls after closing them. */
export function stopListening(server: HttpServer): void {
  Server.prototype.close.call(server)
}

type Done = (error?: Error | null) => void

/**
 * Has failed writes of a socket told: `_write` and `_writev`, which its stream calls. After one that is taken nothing more is
 * written, and the socket is whole.
 * @param onError is asked what to do; false for what Node does, which destroys the socket with what it has not yet given out
 */
export function takeWriteErrors(socket: Socket, onError: (error: Error) => boolean): void {
  const { _write: write, _writev: writev } = socket
  // `done` is what the stream waits for: never called, it stands still.
  const held = (done: Done): Done => {
    return (error) => {
      if (error === undefined || error === null || !onError(error)) done(error)
    }
  }
  socket._write = (part, encoding, done) => write.call(socket, part, encoding, held(done))
  if (writev !== undefined) socket._writev = (parts, done) => writev.call(socket, parts, held(done))
}

/**
 * The bytes that Node's parser reads at this moment, which hold a part of the request that is being announced or all of it:
 * `getCurrentBuffer` of the socket's parser. It copies them.
 */
export function bytesBeingParsed(socket: Socket): Buffer {
  // Boundary: members that Node's types leave out.
  const { parser } = socket as Socket & { parser?: { getCurrentBuffer(): Buffer | undefined } | null }
  return parser?.getCurrentBuffer() ?? Buffer.alloc(0)
}

/** A socket that is bound and accepts nothing by itself. */
export interface BoundSocket {
  /** What of its name the system tells. */
  address: { address?: string; port?: number }
  /** To send to another process, or to listen on. */
  handle: Server
  close(): void
}

interface Handle {
  getsockname(name: BoundSocket['address']): number
  close(): void
}

// Boundary: what net.Server itself makes its sockets with. It returns a negative number for an error.
const { _createServerHandle: createHandle } = net as unknown as {
  _createServerHandle(address: string, port: number, version: 4 | 6): number | Handle
}

/**
 * Binds a socket that nobody accepts from: `_createServerHandle` of node:net. Node has no public way (`BoundSocket` of Node 26 ends
 * with its first listener).
 * @param port 0 is any free one
 * @returns a negative number of the system, as `getSystemErrorName` takes it, when it cannot be bound
 */
export function bindUnheard(address: string, port: number, version: 4 | 6): BoundSocket | number {
  const handle = createHandle(address, port, version)
  if (typeof handle === 'number') return handle
  const name: BoundSocket['address'] = {}
  // A port that is taken is told by this call (uv_tcp_bind puts it off).
  const problem = handle.getsockname(name)
  if (problem !== 0) {
    handle.close()
    return problem
  }
  // Boundary: `send` takes a handle of this kind as it takes a server (child_process, `net.Native`), and so does `listen`.
  return { address: name, handle: handle as unknown as Server, close: () => handle.close() }
}
